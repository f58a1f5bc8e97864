"""What only the embedded ledger must do: files, processes, restarts, and what a hostile client may try."""

from __future__ import annotations

import datetime
import json
import os
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, replace
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization

from chaincode import client
from chaincode.blocks import Commit, Envelope, NetworkConfig
from chaincode.client import Ledger
from chaincode.errors import Code, Conflict, ContractError, LedgerError, OutcomeUnknown, Refused, Unavailable
from chaincode.fabric import blocks, proposals, transactions
from chaincode.fabric.encoding import encoded
from chaincode.identity import Identity
from chaincode.ledgers import calls, commits, engine, peer, store
from chaincode.ledgers.commits import Committer, Cut
from tests.contracts.authority import new_key
from tests.contracts.world import new_name
from tests.unit.chaincode.conftest import Place
from tests.unit.chaincode.forgery import Opened, resigned


def deposit(account: str = "dora", amount: int = 5) -> tuple[str, str, dict[str, Any]]:
    return "monetary", "deposit", {"op": new_name("op"), "account": account, "amount": amount}


def balance(ledger: Ledger, account: str = "dora") -> int:
    free: int = ledger.evaluate("monetary", "balance", {"account": account})["free"]
    return free


class TestConnecting:
    @pytest.mark.parametrize("url", ["fabric://host", "", "/a/file", "embedded://host/file", "embedded:///"])
    def test_url_must_name_a_ledger(self, place: Place, url: str) -> None:
        with pytest.raises(LedgerError, match=r"(embedded|fabric)://"):
            client.connect(url, place.identity, config=place.config)

    def test_new_ledger_needs_a_network(self, place: Place) -> None:
        with pytest.raises(LedgerError, match="name the network"):
            client.connect(place.url, place.identity)

        assert not place.path.exists()

    def test_empty_file_needs_a_network_too(self, place: Place) -> None:
        place.path.touch()

        with pytest.raises(LedgerError, match="name the network"):
            client.connect(place.url, place.identity)
        assert place.open().height() == 1

    def test_existing_ledger_knows_its_network(self, place: Place) -> None:
        place.open().close()

        with closing(client.connect(place.url, place.identity)) as ledger:
            assert ledger.height() == 1

    @pytest.mark.parametrize("opened", [True, False])
    def test_ledger_of_another_network_is_refused(self, place: Place, opened: bool) -> None:
        first = place.open()
        if not opened:
            first.close()

        with pytest.raises(Refused, match="another network"):
            client.connect(place.url, place.identity, config=NetworkConfig("other", place.config.msps))

    def test_root_that_cannot_be_read_is_refused(self, place: Place) -> None:
        with pytest.raises(Refused, match="root of PlatformMSP"):
            client.connect(
                place.url, place.identity, config=NetworkConfig("c", {"PlatformMSP": "no certificate"})
            )

    def test_path_may_have_spaces_and_missing_folders(self, place: Place) -> None:
        place.path = place.path.parent / "a%20b" / "ledger.db"

        place.open()

        assert (place.path.parent.parent / "a b" / "ledger.db").exists()

    @pytest.mark.parametrize(
        "content", [b"this is no database, but a text that is long enough" * 20, "tables", "empty"]
    )
    def test_file_that_is_no_ledger_is_told_so(self, place: Place, content: bytes | str) -> None:
        if isinstance(content, bytes):
            place.path.write_bytes(content)
        else:
            with closing(sqlite3.connect(place.path)) as connection:
                connection.execute("CREATE TABLE blocks (number, hash, at, block)")
                if content == "tables":
                    connection.execute("INSERT INTO blocks VALUES (0, x'', '', '{}')")
                connection.commit()

        with pytest.raises(Unavailable, match="not a ledger file"):
            place.open()

    def test_genesis_that_names_no_network_is_told_so(self, place: Place) -> None:
        place.open().close()
        with closing(sqlite3.connect(place.path)) as connection, connection:
            connection.execute(
                "UPDATE blocks SET block = ? WHERE number = 0", (encoded(blocks.cut(0, b"", [], [])),)
            )

        with pytest.raises(Refused, match="not a block of configuration"):
            place.open()

    def test_key_of_the_ledger_is_its_owners_alone(self, place: Place) -> None:
        place.open()

        assert peer.path_of(place.path).stat().st_mode & 0o777 == 0o600

    @pytest.mark.parametrize(("key", "why"), [("", "cannot be read"), (None, "missing")])
    def test_ledger_without_its_key_is_told_so(self, place: Place, key: str | None, why: str) -> None:
        place.open().close()
        peer.path_of(place.path).unlink()
        if key is not None:
            peer.path_of(place.path).write_text(key)

        with pytest.raises(Unavailable, match=why):
            place.open()

    def test_another_ledgers_key_is_refused(self, place: Place) -> None:
        place.open().close()
        peer.path_of(place.path).unlink()
        peer.make(place.path)

        with pytest.raises(Refused, match="not the one that it was made with"):
            place.open()

    def test_one_file_has_one_engine_for_all_identities(self, place: Place) -> None:
        first = place.open()
        with place.open(place.providers.enrol("pete", chainfaas_user="pete")) as second:
            first.transact(*deposit("pete"))
            assert balance(second, "pete") == 5
        second.close()  # once more changes nothing

        first.transact(*deposit("pete"))  # still open
        first.close()
        with pytest.raises(Unavailable, match="closed"):
            first.height()
        with pytest.raises(Unavailable, match="closed"):
            first.verify()

    def test_content_outlives_the_process(self, place: Place) -> None:
        with place.open() as ledger:
            ledger.transact(*deposit())

        assert balance(place.open()) == 5

    def test_second_process_is_refused_in_one_line(self, place: Place) -> None:
        place.open()
        program = (
            "import sys; from pathlib import Path; from chaincode.ledgers.engine import Engine\n"
            "from chaincode.errors import Unavailable\n"
            "try: Engine(Path(sys.argv[1]), None)\n"
            "except Unavailable as error: print(error)"
        )

        done = subprocess.run(
            [sys.executable, "-c", program, str(place.path)], capture_output=True, text=True, check=True
        )

        assert done.stdout == "the ledger ledger.db is open in another process\n"

    def test_lock_is_given_back_when_the_file_is_no_ledger(self, place: Place) -> None:
        place.path.write_bytes(b"no ledger" * 100)
        for _ in range(2):
            with pytest.raises(Unavailable, match="not a ledger"):
                place.open()

    def test_only_one_engine_holds_a_file(self, place: Place) -> None:
        place.open()

        with pytest.raises(Unavailable, match="open in another process"):
            engine.Engine(place.path, None)

    def test_forked_process_is_refused(self, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
        ledger = place.open()
        monkeypatch.setattr(os, "getpid", lambda: -1)

        with pytest.raises(Unavailable, match="forked"):
            ledger.height()


class TestSettingUp:
    def test_machines_wait_for_the_providers_root(self, place: Place) -> None:
        document = {"machine": "m", "provider": "pete", "certificate": place.providers.pem}

        with pytest.raises(ContractError) as caught:
            place.open().transact("monitoring", "enrol_machine", document)
        assert caught.value.code == Code.NOT_FOUND
        assert str(caught.value).startswith("NOT_FOUND: ")

    def test_root_must_be_a_certificate(self, place: Place) -> None:
        with pytest.raises(ContractError) as caught:
            place.open().transact("monitoring", "init", {"providers_root": "hello"})
        assert caught.value.code == Code.BAD_ARGUMENT


class TestIdentities:
    def test_key_that_is_not_the_certificates_is_refused(self, place: Place) -> None:
        """A certificate is public; whoever shows the controller's must also sign with its key."""
        thief = place.open(Identity("PlatformMSP", place.identity.certificate, new_key()))

        with pytest.raises(Refused, match="signature"):
            thief.evaluate("monetary", "totals", {})
        with pytest.raises(Refused, match="signature"):
            thief.endorse(*deposit())

    @pytest.mark.parametrize("msp_id", ["ProvidersMSP", "EveMSP"])
    def test_certificate_of_another_organisation_is_refused(self, place: Place, msp_id: str) -> None:
        with pytest.raises(Refused):
            place.open(replace(place.identity, msp_id=msp_id)).evaluate("monetary", "totals", {})

    def test_expired_certificate_is_refused(self, place: Place) -> None:
        ended = place.platform.enrol(
            "controller", ends=-datetime.timedelta(days=1), chainfaas_role="controller"
        )

        with pytest.raises(Refused, match="valid at this time"):
            place.open(ended).evaluate("monetary", "totals", {})

    def test_certificate_that_ends_before_its_block_is_refused(
        self, place: Place, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Or the ledger would hold a transaction that does not verify."""
        ledger = place.open()
        envelope = ledger.endorse(*deposit())
        view: Any = ledger
        monkeypatch.setattr(view._engine._committer, "_now", lambda: "2200-01-01T00:00:00.000000Z")

        with pytest.raises(Refused, match="valid at this time"):
            ledger.submit(envelope)
        assert ledger.height() == 1

    def test_proposal_for_another_channel_is_refused(self, place: Place) -> None:
        view: Any = place.open()
        proposal = proposals.build(calls.call("other", *deposit(), by=place.identity))

        with pytest.raises(Refused, match="channel"):
            view._engine.endorse(proposal, place.identity.sign(proposal))


Change = Callable[[Opened], object]


def other_document(opened: Opened) -> None:
    opened.call.chaincode_spec.input.args[1] = b'{"op":"x","account":"dora","amount":999}'


def other_answer(opened: Opened) -> None:
    opened.action.response.payload = b'"other"'


class TestEnvelopes:
    def forge(self, identity: Identity, envelope: Envelope, change: Change) -> Envelope:
        """As a hostile client would: changed, and signed again with its own key."""
        opened = Opened.of(envelope.data)
        change(opened)
        return Envelope(opened.channel.tx_id, envelope.result, opened.seal(identity))

    @pytest.mark.parametrize(
        "change",
        [
            lambda opened: opened.writes(["monetary", "acct/dora", '{"free":999,"held":0}']),
            other_answer,
            Opened.reads_nothing,
            other_document,
        ],
    )
    def test_creator_cannot_write_what_the_contract_did_not(self, place: Place, change: Change) -> None:
        ledger = place.open()
        forged = self.forge(place.identity, ledger.endorse(*deposit()), change)

        with pytest.raises(Refused, match="signature"):
            ledger.submit(forged)
        assert balance(ledger) == 0

    @pytest.mark.parametrize("endorsed", [True, False])
    def test_call_that_the_ledger_did_not_endorse_is_not_committed(
        self, place: Place, endorsed: bool
    ) -> None:
        eve = place.providers.enrol("eve")
        opened = Opened.of(place.open().endorse(*deposit()).data).created_by(eve)
        opened.writes(["monetary", "acct/eve", '{"free":999,"held":0}'])
        opened.endorsements.clear()
        data = opened.seal(eve, endorser=eve if endorsed else None)

        with pytest.raises(Refused, match="not endorsed by this ledger"):
            place.open(eve).submit(Envelope(opened.channel.tx_id, None, data))

    @pytest.mark.parametrize(
        ("field", "value", "why"),
        [
            ("tx_id", "0" * 64, "id does not follow"),
            ("channel_id", "other", "channel"),
            ("type", 1, "not of a chaincode"),
            ("epoch", 1, "not of a chaincode"),
            ("extension", b"", "different chaincodes"),
        ],
    )
    def test_malformed_header_is_refused(self, place: Place, field: str, value: Any, why: str) -> None:
        ledger = place.open()
        forged = self.forge(
            place.identity, ledger.endorse(*deposit()), lambda opened: setattr(opened.channel, field, value)
        )

        with pytest.raises(Refused, match=why):
            ledger.submit(forged)
        assert ledger.height() == 1
        assert ledger.verify().verified

    @pytest.mark.parametrize("data", [b"", b"{}", b"[]", b"\xff", b"[" * 100_000, b'{"creator": 1}'])
    def test_data_that_is_no_transaction_is_refused(self, place: Place, data: bytes) -> None:
        with pytest.raises(Refused, match="not a transaction's envelope"):
            place.open().submit(Envelope("0" * 64, None, data))

    def test_envelope_that_names_another_transaction_is_refused(self, place: Place) -> None:
        ledger = place.open()

        with pytest.raises(Refused):
            ledger.submit(replace(ledger.endorse(*deposit()), tx_id="0" * 64))

    @pytest.mark.parametrize("dumped", [b"", b"{}", b"[]", b'{"tx_id": "", "result": 1, "data": "%"}'])
    def test_dump_that_is_no_envelope_is_refused(self, dumped: bytes) -> None:
        with pytest.raises(Refused, match="not an envelope"):
            Envelope.load(dumped)

    @pytest.mark.parametrize("signature", [b"", b"AAAA"])
    def test_unsigned_envelope_is_refused(self, place: Place, signature: bytes) -> None:
        ledger = place.open()
        envelope = ledger.endorse(*deposit())

        with pytest.raises(Refused, match="signature"):
            ledger.submit(replace(envelope, data=resigned(envelope.data, signature)))

    def test_second_signature_of_the_same_transaction_changes_nothing(self, place: Place) -> None:
        ledger = place.open()
        envelope = ledger.endorse(*deposit())
        again = replace(envelope, data=Opened.of(envelope.data).seal(place.identity))

        assert ledger.submit(envelope) == ledger.submit(again)
        assert balance(ledger) == 5

    def test_other_content_under_a_committed_id_is_refused(self, place: Place) -> None:
        ledger = place.open()
        envelope = ledger.endorse(*deposit())
        ledger.submit(envelope)

        with pytest.raises(Refused, match="another transaction of this id"):
            ledger.submit(self.forge(place.identity, envelope, other_answer))

    def test_envelope_stored_before_a_restart_is_committed_after_it(self, place: Place) -> None:
        with place.open() as ledger:
            stored = ledger.endorse(*deposit()).dump()

        ledger = place.open()
        ledger.submit(Envelope.load(stored))

        assert balance(ledger) == 5
        assert ledger.verify().verified

    def test_envelope_that_became_stale_over_a_restart_conflicts(self, place: Place) -> None:
        with place.open() as ledger:
            stored = ledger.endorse(*deposit()).dump()
            ledger.transact(*deposit())

        with pytest.raises(Conflict):
            place.open().submit(Envelope.load(stored))

    def test_forgotten_endorsement_is_checked_by_its_signature(
        self, place: Place, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(engine, "REMEMBERED", 1)
        ledger = place.open()
        first, second = ledger.endorse(*deposit("a")), ledger.endorse(*deposit("b"))

        ledger.submit(second)
        ledger.submit(first)

        assert (balance(ledger, "a"), balance(ledger, "b")) == (5, 5)


class TestCommitting:
    def test_callers_that_wait_share_one_block(self, place: Place) -> None:
        ledger = place.open()
        view: Any = ledger
        envelopes = [ledger.endorse(*deposit(f"a{number}")) for number in range(10)]
        found: list[Commit] = []
        threads = [
            threading.Thread(target=lambda e=envelope: found.append(ledger.submit(e)))
            for envelope in envelopes
        ]

        with view._engine._committer._committing:  # as if a block was being written
            for thread in threads:
                thread.start()
            while len(view._engine._committer._queue) < len(threads):
                time.sleep(0.001)
        for thread in threads:
            thread.join()

        assert {commit.block for commit in found} == {1}
        assert ledger.height() == 2
        assert ledger.verify().verified

    @pytest.mark.parametrize(
        ("cut", "blocks"), [(Cut(count=3), 4), (Cut(size=1), 10), (Cut(wait_s=60, count=5), 2)]
    )
    def test_block_is_closed_by_count_by_bytes_and_by_time(self, place: Place, cut: Cut, blocks: int) -> None:
        ledger = place.open()
        view: Any = ledger
        view._engine._committer._cut = cut
        envelopes = [ledger.endorse(*deposit(f"a{number}")) for number in range(10)]
        threads = [threading.Thread(target=ledger.submit, args=[envelope]) for envelope in envelopes]

        with view._engine._committer._committing:
            for thread in threads:
                thread.start()
            while len(view._engine._committer._queue) < len(threads):
                time.sleep(0.001)
        for thread in threads:
            thread.join()

        assert ledger.height() == 1 + blocks
        assert ledger.verify().verified

    def test_lone_transaction_waits_no_longer_than_it_must(self, place: Place) -> None:
        ledger = place.open()
        view: Any = ledger
        view._engine._committer._cut = Cut(wait_s=0.05)

        began = time.monotonic()
        ledger.transact(*deposit())

        assert time.monotonic() - began >= 0.05
        assert ledger.height() == 2

    def test_conflict_and_twin_within_one_block(self, place: Place) -> None:
        ledger = place.open()
        view: Any = ledger
        fast, slow = ledger.endorse(*deposit()), ledger.endorse(*deposit())
        other = view._engine._committer
        tickets = [ticket(envelope) for envelope in (fast, slow, fast)]
        tickets.append(commits.Ticket(replace(tickets[0].endorsed, payload=b"other"), b""))
        other._queue.extend(tickets)

        other._lead()

        first, second, twin, impostor = (waiting.outcome for waiting in tickets)
        assert first == twin == ledger.status(fast.tx_id)
        assert isinstance(second, Conflict)
        assert isinstance(impostor, Refused)
        assert len(ledger.blocks(1, 1)[0].transactions) == 2
        assert ledger.verify().verified

    def test_nothing_new_makes_no_block(self, place: Place) -> None:
        ledger = place.open()
        view: Any = ledger
        envelope = ledger.endorse(*deposit())
        commit = ledger.submit(envelope)
        again = ticket(envelope)
        view._engine._committer._queue.append(again)

        view._engine._committer._lead()

        assert again.outcome == commit
        assert ledger.height() == 2

    @pytest.mark.parametrize(
        ("fails_at", "error"), [("INSERT INTO blocks", Unavailable), ("COMMIT", OutcomeUnknown)]
    )
    def test_failing_disk_is_told_and_survived(
        self, place: Place, fails_at: str, error: type[LedgerError]
    ) -> None:
        ledger = place.open()
        view: Any = ledger
        committer = view._engine._committer
        disk = FailingDisk(committer._connection, fails_at)
        view._engine._committer = Committer(disk, view._engine.peer.identity, engine.now)  # type: ignore[arg-type]
        envelope = ledger.endorse(*deposit())

        with pytest.raises(error):
            ledger.submit(envelope)

        assert ledger.status(envelope.tx_id) is None
        disk.fails_at = "never"
        ledger.submit(envelope)
        assert balance(ledger) == 5
        assert ledger.verify().verified

    def test_interrupted_leader_leaves_nobody_waiting(
        self, place: Place, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ledger = place.open()
        view: Any = ledger
        committer = view._engine._committer
        interrupted = ticket(ledger.endorse(*deposit()))
        committer._queue.append(interrupted)

        def interrupt(*_: object) -> bool:
            raise KeyboardInterrupt

        monkeypatch.setattr(commits, "judge", interrupt)
        with pytest.raises(KeyboardInterrupt):
            committer._lead()

        assert isinstance(interrupted.outcome, OutcomeUnknown)
        monkeypatch.undo()
        ledger.transact(*deposit())
        assert balance(ledger) == 5

    def test_conflicts_without_end_are_given_up(self, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
        ledger = place.open()
        tried = []
        monkeypatch.setattr("chaincode.ledger.TRIES", 3)
        monkeypatch.setattr("chaincode.ledger.PAUSE_S", 0)

        def conflict(*_: object) -> Commit:
            tried.append(1)
            raise Conflict

        monkeypatch.setattr(ledger, "submit", conflict)
        with pytest.raises(Conflict):
            ledger.transact(*deposit())
        assert len(tried) == 3

    def test_file_that_cannot_be_read_is_unavailable(
        self, place: Place, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ledger = place.open()

        def broken(*_: object) -> int:
            raise sqlite3.OperationalError("disk I/O error")

        monkeypatch.setattr(store.Store, "tip", broken)
        with pytest.raises(Unavailable, match="cannot be read"):
            ledger.height()


def ticket(envelope: Envelope) -> commits.Ticket:
    return commits.Ticket(transactions.parse(envelope.data), envelope.data)


class FailingDisk:
    """A connection whose statements fail where they begin so."""

    def __init__(self, connection: sqlite3.Connection, fails_at: str) -> None:
        self.connection, self.fails_at = connection, fails_at

    @property
    def in_transaction(self) -> bool:
        return self.connection.in_transaction

    def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
        if sql.startswith(self.fails_at):
            raise sqlite3.OperationalError("disk I/O error")
        return self.connection.execute(sql, *values)

    def close(self) -> None:
        self.connection.close()


COMMIT_UNTIL_KILLED = """
import json, sys
from chaincode import client
from chaincode.identity import Identity

facts = json.loads(sys.stdin.readline())
config = client.NetworkConfig(**facts["config"])
ledger = client.connect(facts["url"], Identity.load(*facts["identity"]), config=config)
for number in range(100_000):
    ledger.transact("monetary", "deposit", {"op": f"a{number}", "account": f"a{number}", "amount": 5})
    print(number, flush=True)
"""


@pytest.mark.parametrize("after", [0, 1, 7, 40])
def test_killed_at_any_moment_it_keeps_all_that_was_answered(place: Place, after: int) -> None:
    key = place.identity.key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    identity = [place.identity.msp_id, place.identity.certificate, key.decode()]
    facts = {"url": f"embedded://{place.path}", "config": asdict(place.config), "identity": identity}
    command = [sys.executable, "-c", COMMIT_UNTIL_KILLED]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin
        assert process.stdout
        process.stdin.write(json.dumps(facts) + "\n")
        process.stdin.flush()
        answered = -1
        while answered < after:
            answered = int(process.stdout.readline())
        process.kill()
        # A last line may have been cut off in the middle.
        whole = [line for line in process.stdout.read().splitlines(keepends=True) if line.endswith("\n")]
        answered = int(whole[-1]) if whole else answered

    ledger = place.open()
    found = ledger.verify()
    assert found.verified, found.fault
    assert ledger.height() >= answered + 2
    for number in range(answered + 1):
        assert balance(ledger, f"a{number}") == 5
    ledger.transact(*deposit())
