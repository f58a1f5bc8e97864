"""Fail on purpose: the log says why, and the exit code is 3."""

import sys

print("this function always fails", file=sys.stderr)
sys.exit(3)
