"""Tells where it is, and who may read there."""

import os

here = os.getcwd()  # noqa: PTH109
os.write(1, f"{here} {os.stat(here).st_mode & 0o777:o} {os.environ['HOME']} {os.environ['TMPDIR']}".encode())  # noqa: PTH116
