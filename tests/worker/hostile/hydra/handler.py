"""Forks fifty children into sessions of their own; each starts a program there."""

import os

for _ in range(50):
    if os.fork() == 0:
        os.setsid()
        os.execv("/bin/sleep", ["hydra", "60"])
os.write(1, b"spread")
