"""Leaves a grandchild behind, in a session of its own (a double fork), and does what the input says."""

import os
import sys
import time

then = sys.stdin.read()
reader, writer = os.pipe()
if os.fork() == 0:
    os.setsid()
    if os.fork() != 0:
        os._exit(0)
    os.write(writer, str(os.getpid()).encode())
    for descriptor in (0, 1, 2, reader, writer):
        os.close(descriptor)
    time.sleep(60)
    os._exit(0)
os.write(1, os.read(reader, 20))
if then == "stay":
    time.sleep(60)
