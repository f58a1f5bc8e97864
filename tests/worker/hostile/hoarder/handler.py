"""Fills its temporary folder with many files."""

import itertools
import pathlib

for n in itertools.count():
    pathlib.Path(f"{n}").write_bytes(b"x" * 8_000_000)
