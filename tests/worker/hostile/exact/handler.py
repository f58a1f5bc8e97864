"""Writes as many bytes as the input says."""

import sys

sys.stdout.buffer.write(b"\xff" * int(sys.stdin.read()))
