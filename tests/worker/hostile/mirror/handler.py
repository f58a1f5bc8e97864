"""Shows its environment, and that with which the process was started."""

import os
import pathlib
import sys

for name, value in os.environ.items():
    sys.stdout.write(f"{name}={value}\n")
sys.stdout.write("---\n")
sys.stdout.write(pathlib.Path("/proc/self/environ").read_text().replace("\0", "\n"))
