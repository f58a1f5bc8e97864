"""Logs are events on stderr: a line each, with the job or machine that they are about."""

from __future__ import annotations

import logging
import sys

import structlog


def configure(level: str) -> None:
    """Set up the logs of this process. `level` is a name of the logging module, in any case."""
    number = getattr(logging, level.upper(), logging.INFO)
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(levelname)s %(name)s %(message)s")
    # Django calls every 5xx answer an error; a function that failed is none of ours. Exceptions are logged.
    logging.getLogger("django.request").addFilter(lambda record: record.exc_info is not None)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.processors.format_exc_info,
            structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
            if sys.stderr.isatty()
            else structlog.processors.LogfmtRenderer(key_order=["timestamp", "level", "event"]),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
