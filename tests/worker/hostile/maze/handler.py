"""Leaves folders nested deeper than a path may be long, without any permission."""

import os

for _ in range(3000):
    os.mkdir("d", 0o700)  # noqa: PTH102
    os.chdir("d")
os.chmod(".", 0)  # noqa: PTH101
