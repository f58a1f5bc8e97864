"""Sizes that hold on every path, in bytes. A request that is too big is refused before it costs anything."""

BODY = 1024 * 1024
"""A request body, and a function's result (its stdout)."""

LOG = 64 * 1024
"""How much of the end of a function's stderr is kept."""

MESSAGE = 2 * 1024 * 1024
"""A message on the broker; a body of 1 MiB is 1.4 MB in base64."""

ENVIRONMENT = 32 * 1024
"""All names and values of a function's environment together."""
