"""`python -m ops.demo.noisy …`: the embedded platform (ops/embedded.py) on a line that damages a receipt when
it is asked to, as a bad network or a hostile broker could.

The product knows nothing of it, on neither side: the machine signs and sends, the controller has the contract
refuse what arrives, and the machine is not paid by it. What it does then is the product's own way.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from msgspec import structs

from chainfaas.broker import memory
from ops import embedded
from tasks import messages

ORDER = "damage-next-receipt"
"""A file of this name in the platform's data folder asks for it, once."""


class Channel(memory.Channel):
    def prepare_message(self, body: Any, *args: Any, **kwargs: Any) -> Any:
        return super().prepare_message(_passed_on(body), *args, **kwargs)


class Transport(memory.Transport):
    Channel = Channel


def main() -> int:
    """The platform's own exit code."""
    from chainfaas.celery import app

    os.environ["BROKER_URL"] = "memory://"
    app.conf.broker_transport = "ops.demo.noisy:Transport"
    return embedded.main()


def _passed_on(text: Any) -> Any:
    """What comes out at the other end of the line."""
    try:
        report = messages.load_report(text)
    except (messages.Malformed, TypeError):  # no machine's report
        return text
    if isinstance(report, messages.Result) and report.signature and _ordered():
        return structs.replace(report, signature=report.signature[::-1]).dump()
    return text


def _ordered() -> bool:
    try:
        (Path(os.environ["CHAINFAAS_DATA"]) / ORDER).unlink()
    except FileNotFoundError:
        return False
    return True


if __name__ == "__main__":
    sys.exit(main())
