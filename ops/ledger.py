"""`python -m ops.ledger`: the embedded ledger behind Fabric's wire, for controllers and machines elsewhere.

Prints `ready fabric://…` when it can be called, and leaves what a client has to know in `connection.json`
and `ledger.root.pem` of its data folder. Ends clean on Ctrl-C; may also be killed at any moment: what was
answered is on the disk. It is one peer and one orderer, whose operator has to be trusted.
"""

from __future__ import annotations

import argparse
import json
import logging
import signal
import socket
import sys
import threading
from pathlib import Path
from urllib.parse import urlencode

from chaincode.blocks import NetworkConfig
from chaincode.errors import LedgerError
from chaincode.ledgers.commits import Cut
from chaincode.ledgers.execution import Executor
from chaincode.ledgers.served.server import TLS, Server, serve
from chainfaas.identity import PLATFORM
from chainfaas.identity.embedded import EmbeddedAuthority
from ops import chaincodes, logs

LOCAL = ("localhost", "127.0.0.1", "::1")
ANY = ("0.0.0.0", "[::]", "")  # noqa: S104 - to tell them from addresses that a client can use

LOOK_S = 1.0
"""How soon a revocation counts."""


def main() -> int:
    """The process's exit code."""
    arguments = _arguments()
    logs.configure(arguments.log_level)
    logging.getLogger("chaincode.ledgers.served").setLevel(arguments.log_level.upper())
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    try:
        data = arguments.data.expanduser().absolute()
        authority = EmbeddedAuthority(data / "identity")
        with (
            chaincodes.executor(arguments) as executor,
            _serve(arguments, data, authority, executor) as server,
        ):
            print(f"ready {_tell(arguments, data, authority, server)}", flush=True)
            _watch(server, authority, stopped)
    except (LedgerError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _serve(
    arguments: argparse.Namespace, data: Path, authority: EmbeddedAuthority, executor: Executor | None
) -> Server:
    certificate = authority.tls("ledger", _names(arguments))
    return serve(
        data / "ledger.db",
        NetworkConfig(arguments.channel, authority.roots()),
        tls=TLS(certificate.certificate, certificate.key),
        listen=arguments.listen,
        executor=executor,
        cut=Cut(count=arguments.block_count, wait_s=arguments.block_wait_ms / 1000),
    )


def _watch(server: Server, authority: EmbeddedAuthority, stopped: threading.Event) -> None:
    """Take in each new revocation list, until the end."""
    known: list[bytes] = []
    while True:
        lists = authority.revocation_lists()
        if lists != known:
            server.revoke(lists)
            known = lists
        if stopped.wait(LOOK_S):
            return


def _tell(arguments: argparse.Namespace, data: Path, authority: EmbeddedAuthority, server: Server) -> str:
    """Write down how clients reach it. The URL that they use on this computer."""
    root = authority.roots()[PLATFORM]
    (data / "ledger.root.pem").write_text(root)
    host = _names(arguments)[0]
    where = f"{f'[{host}]' if ':' in host else host}:{server.address.rpartition(':')[2]}"
    facts = {
        "version": 1,
        "hosts": [where],
        "channel": server.config.channel,
        "msps": server.config.msps,
        "tls_root": root,
    }
    (data / "connection.json").write_text(json.dumps(facts, indent=2) + "\n")
    query = urlencode({"tls_root": str(data / "ledger.root.pem")}, safe="/")
    return f"fabric://{where}/{server.config.channel}?{query}"


def _names(arguments: argparse.Namespace) -> list[str]:
    """What the certificate says that this server is called, first the name that clients are told."""
    host = arguments.listen.rpartition(":")[0]
    own = [socket.gethostname()] if host in ANY else [host.strip("[]")]
    return list(dict.fromkeys([*arguments.name, *own, *LOCAL]))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m ops.ledger", description=__doc__)
    parser.add_argument("--data", type=Path, default=Path(".data"), help="what must survive a restart")
    parser.add_argument("--listen", default="127.0.0.1:7051", help="HOST:PORT; port 0: any free one")
    parser.add_argument("--channel", default="chainfaas", help="the channel of a new ledger")
    parser.add_argument("--name", action="append", default=[], help="how clients elsewhere call this host")
    parser.add_argument("--block-count", type=int, default=Cut().count, help="most transactions in a block")
    parser.add_argument(
        "--block-wait-ms", type=int, default=0, help="how long a block waits for more transactions"
    )
    parser.add_argument("--log-level", default="info")
    chaincodes.add_options(parser)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
