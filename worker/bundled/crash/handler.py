"""Die of a signal (SIGABRT), as a program with a bug in its native code does."""

import os

os.abort()
