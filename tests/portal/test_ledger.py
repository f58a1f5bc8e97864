"""`/ledger`: blocks, transactions, records."""

from __future__ import annotations

import uuid

import pytest
from pytest_django.fixtures import Settings

from chaincode.blocks import Verification
from chainfaas import accounts
from chainfaas.errors import LedgerAway
from chainfaas.ledger import blocks
from tests.cast import Machine, Person
from tests.portal.pages import Visitor


def test_the_chain_is_open_to_all_the_latest_block_first(stranger: Visitor, dora: Person) -> None:
    page = stranger.get("/ledger")

    height = blocks.height()
    assert f"Blocks {height}" in page.text
    assert "deposit" in page.text
    links = page.links()
    assert links.index(f"/ledger/blocks/{height - 1}") < links.index("/ledger/blocks/0")


def test_a_long_chain_comes_in_pages(stranger: Visitor, dora: Person) -> None:
    for _ in range(25):
        accounts.deposit(dora.user, 1)
    height = blocks.height()

    first, second = stranger.get("/ledger"), stranger.get(f"/ledger?before={height - 20}")

    assert f"?before={height - 20}" in first.html
    assert f"/ledger/blocks/{height - 20}" in first.links()
    assert f"/ledger/blocks/{height - 21}" in second.links()
    assert stranger.get("/ledger?before=nonsense").status == 200
    assert stranger.get("/ledger?before=99999999999999999999").status == 200


def test_a_block_shows_its_links_and_transactions(stranger: Visitor, dora: Person) -> None:
    last = blocks.height() - 1
    page = stranger.get(f"/ledger/blocks/{last}")

    assert f"Block {last}" in page.text
    assert blocks.block(last).hash in page.text
    assert blocks.block(last).previous_hash in page.text
    assert "monetary: deposit valid" in page.text
    assert f"/ledger/blocks/{last - 1}" in page.links()
    assert stranger.get("/ledger/blocks/0").status == 200
    assert stranger.get(f"/ledger/blocks/{last + 1}").status == 404


def test_only_a_peer_sees_what_a_transaction_wrote(at_dora: Visitor, platform: None) -> None:
    last = blocks.height() - 1
    peer = Visitor(Person.registered("pia", "peer"))

    assert "Wrote" not in at_dora.get(f"/ledger/blocks/{last}").text
    page = peer.get(f"/ledger/blocks/{last}")
    assert "Wrote" in page.text
    assert '"free": 10000000' in page.text


def test_a_peer_follows_a_block_to_its_jobs_and_back(at_dora: Visitor, machine: Machine) -> None:
    job = at_dora.called("dora/example", "x")
    peer = Visitor(Person.registered("pia", "peer"))

    way = peer.get(f"/ledger/transactions/{job.settled_tx}")
    block = peer.get(way.location.partition("#")[0])
    record = peer.get(f"/ledger/jobs/{job.id}")

    assert way.location.endswith(f"#tx-{job.settled_tx}")
    assert f"/ledger/jobs/{job.id}" in block.links()
    assert "Received and paid" in record.text
    assert f"/jobs/{job.id}" not in record.links()
    assert peer.get(f"/jobs/{job.id}").status == 404


def test_an_unknown_transaction_is_not_found(stranger: Visitor) -> None:
    assert stranger.get("/ledger/transactions/nothing").status == 404


def test_the_chain_is_verified_at_the_push_of_a_button(stranger: Visitor, dora: Person) -> None:
    assert stranger.get("/ledger/verify").status == 405

    page = stranger.post("/ledger/verify")

    assert f"Verified. All {blocks.height()} blocks hold" in page.text


def test_a_chain_that_does_not_hold_is_told(stranger: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = Verification(verified=False, height=1, fault="block 1 has another hash")
    monkeypatch.setattr("chainfaas.ledger.blocks.verify", lambda: broken)

    page = stranger.post("/ledger/verify")

    assert "The chain does not hold. block 1 has another hash" in page.text
    assert "The first 1 block can be trusted" in page.text


def test_a_record_is_its_parties_business(at_eve: Visitor, at_dora: Visitor, machine: Machine) -> None:
    job = at_dora.called("dora/example", "x")

    assert "Received and paid" in at_dora.get(f"/ledger/jobs/{job.id}").text
    assert at_eve.get(f"/ledger/jobs/{job.id}").status == 404
    assert at_eve.get(f"/ledger/jobs/{uuid.uuid4()}").status == 404


def test_strangers_who_read_too_much_have_to_wait(stranger: Visitor, settings: Settings) -> None:
    settings.OPEN_READS_PER_MINUTE = 1
    stranger.get("/ledger")

    page = stranger.get("/ledger")

    assert page.status == 429
    assert page.response["Retry-After"]
    assert "Too many calls" in page.text


def test_a_ledger_that_is_away_has_a_page(stranger: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    def away() -> int:
        raise LedgerAway

    monkeypatch.setattr("chainfaas.ledger.blocks.height", away)

    page = stranger.get("/ledger")

    assert page.status == 503
    assert "our fault" in page.text
    assert "Try again in 2 s" in page.text
