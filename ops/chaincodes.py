"""Options of a served ledger whose contracts run in `python -m chaincode.server` processes."""

from __future__ import annotations

import argparse
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from chaincode.contracts import CONTRACTS
from chaincode.errors import LedgerError
from chaincode.ledgers.served.chaincodes import Chaincodes, ChaincodeServer


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--chaincode",
        action="append",
        default=[],
        metavar="CONTRACT=HOST:PORT",
        help="where a contract's chaincode server is; for all contracts, or for none: then they run in here",
    )
    parser.add_argument("--chaincode-root", type=Path, metavar="PEM", help="the root of the servers' TLS")
    parser.add_argument("--chaincode-certificate", type=Path, metavar="PEM", help="shown to the servers")
    parser.add_argument("--chaincode-key", type=Path, metavar="PEM", help="of that certificate")


def executor(arguments: argparse.Namespace) -> AbstractContextManager[Chaincodes | None]:
    """What runs the contracts; None for this process. Raises LedgerError for servers that do not do."""
    addresses = dict(named.partition("=")[::2] for named in arguments.chaincode)
    if not addresses:
        return nullcontext()
    if addresses.keys() != CONTRACTS.keys() or not all(addresses.values()):
        raise LedgerError(f"name one chaincode server for each of {', '.join(sorted(CONTRACTS))}")
    pems = [
        path and path.read_text()
        for path in (arguments.chaincode_root, arguments.chaincode_certificate, arguments.chaincode_key)
    ]
    return Chaincodes({name: ChaincodeServer(address, *pems) for name, address in addresses.items()})
