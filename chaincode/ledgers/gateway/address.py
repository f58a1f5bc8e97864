"""Where a ledger is: `fabric://host:port[,host:port…]/channel?tls_root=/path/ca.pem&server_name=name`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl, unquote

from chaincode.errors import LedgerError, Unavailable

HOW = "fabric://host:port[,host:port]/channel?tls_root=/path/ca.pem"
OPTIONS = ("tls_root", "server_name")


@dataclass(frozen=True)
class Address:
    hosts: tuple[str, ...]  #: host:port, each as good as the others; the first is tried first
    channel: str
    tls_root: Path | None = None  #: PEM; who may have signed the servers' certificates. None: the system's
    server_name: str | None = None  #: that the servers' certificates are for, where it is not the host's

    @classmethod
    def parse(cls, url: str) -> Address:
        """Raises LedgerError that says how it is written."""
        # Not by urlsplit: whether it takes several hosts, one in brackets, depends on Python's version.
        scheme, _, rest = url.partition("://")
        place, _, query = rest.partition("?")
        netloc, _, path = place.partition("/")
        try:
            options = dict(parse_qsl(query, strict_parsing=bool(query)))
        except ValueError as error:
            raise LedgerError(f"this is not a ledger's URL: {error}; use {HOW}") from error
        hosts, channel = tuple(netloc.split(",")), unquote(path.strip("/"))
        if scheme != "fabric" or not all(_is_host(host) for host in hosts) or not channel:
            raise LedgerError(f"a served ledger is named by its hosts and its channel: {HOW}")
        unknown = sorted(set(options) - set(OPTIONS))
        if unknown:
            raise LedgerError(f"a ledger's URL knows no {unknown[0]}; use {HOW}")
        root = options.get("tls_root")
        return cls(hosts, channel, Path(root) if root else None, options.get("server_name"))

    def roots(self) -> bytes | None:
        """The PEM of `tls_root`. Raises Unavailable where it cannot be read."""
        try:
            return self.tls_root.read_bytes() if self.tls_root else None
        except OSError as error:
            raise Unavailable(f"the network's root certificates cannot be read: {error}") from error


def _is_host(text: str) -> bool:
    host, _, port = text.rpartition(":")
    return bool(host) and port.isdecimal() and "@" not in text
