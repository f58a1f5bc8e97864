"""Writes one file without an end."""

with open("giant", "wb") as file:  # noqa: PTH123
    while True:
        file.write(b"x" * 8_000_000)
