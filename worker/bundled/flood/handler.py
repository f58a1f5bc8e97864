"""Write 100 MB, a hundred times what a result may have: the machine stops it."""

import sys

MEGABYTE = b"x" * 1_000_000

for _ in range(100):
    sys.stdout.buffer.write(MEGABYTE)
