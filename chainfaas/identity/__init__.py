"""Who is who on the ledger. A key is made where it is used; what travels is a CSR.

`connect(url)` picks the authority: `embedded:///folder` is our own CA, one root an organisation.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from chaincode.identity import Identity
from chainfaas.errors import ChainFaaSError

PLATFORM = "PlatformMSP"
PROVIDERS = "ProvidersMSP"


class Authority(Protocol):
    """Signs certificates. Signing the same request twice gives two certificates; both are good."""

    def roots(self) -> dict[str, str]:
        """The root certificate (PEM) of each organisation, by MSP id."""
        ...

    def controller(self) -> Identity:
        """The platform's own identity, with the attribute `chainfaas.role=controller`."""
        ...

    def sign_machine(self, csr: str, *, machine: str, user: str) -> str:
        """A machine's certificate (PEM) for its request (PEM). Raises BadInput if that is no good request."""
        ...

    def revoke(self, certificate: str) -> None:
        """Take back a certificate (PEM); a second time changes nothing. Raises BadInput if it is not ours."""
        ...


def connect(url: str) -> Authority:
    """The authority behind an URL."""
    from chainfaas.identity import embedded

    parts = urlsplit(url)
    if parts.scheme == "embedded":
        return embedded.EmbeddedAuthority(Path(parts.path))
    raise ChainFaaSError(f"IDENTITY_URL {url!r} is not supported: use embedded:///folder")
