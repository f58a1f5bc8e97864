from __future__ import annotations

from pathlib import Path

import pytest

from chaincode.errors import LedgerError, Unavailable
from chaincode.ledgers.gateway.address import Address


def test_one_host() -> None:
    assert Address.parse("fabric://localhost:7051/chainfaas") == Address(("localhost:7051",), "chainfaas")


def test_several_hosts_with_their_root_and_name() -> None:
    found = Address.parse("fabric://a:1,[::1]:2/ch?tls_root=/tmp/a%20b.pem&server_name=peer0.org1")

    assert found == Address(("a:1", "[::1]:2"), "ch", Path("/tmp/a b.pem"), "peer0.org1")


@pytest.mark.parametrize(
    "url",
    [
        "fabric://",
        "fabric://localhost:7051",
        "fabric://localhost/chainfaas",
        "fabric://localhost:port/chainfaas",
        "fabric://user@localhost:1/chainfaas",
        "fabric://a:1,/chainfaas",
        "fabric:///chainfaas",
        "fabric://a:1/chainfaas?tls_rot=/x",
        "fabric://a:1/chainfaas?x",
        "grpc://a:1/chainfaas",
    ],
)
def test_what_is_no_address_is_told_how_one_looks(url: str) -> None:
    with pytest.raises(LedgerError, match="fabric://host:port"):
        Address.parse(url)


def test_root_that_cannot_be_read_is_told_at_the_first_call(tmp_path: Path) -> None:
    address = Address.parse(f"fabric://a:1/ch?tls_root={tmp_path}/nothing.pem")

    with pytest.raises(Unavailable, match="root certificates"):
        address.roots()
