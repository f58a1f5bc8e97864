"""Leaves a child behind, in its own process group, and ends well. Tells the child's number."""

import os
import time

child = os.fork()
if child == 0:
    time.sleep(60)
    os._exit(0)
os.write(1, str(child).encode())
