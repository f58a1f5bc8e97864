"""Take memory until there is no more: the machine ends it at the function's own limit."""

MEBIBYTE = 1024 * 1024

hoard = []
while True:
    hoard.append(b"x" * MEBIBYTE)
