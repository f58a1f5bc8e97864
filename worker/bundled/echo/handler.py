"""Give back what came in: the request body is stdin, the answer is stdout."""

import sys

sys.stdout.buffer.write(sys.stdin.buffer.read())
