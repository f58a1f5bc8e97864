"""Logs for ever."""

import os

LINE = b"bla " * 16384
while True:
    os.write(2, LINE)
