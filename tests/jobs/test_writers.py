"""SQLite's writers stand in line, and whatever happens to one, the next has its turn."""

from __future__ import annotations

import threading
import time
from collections import Counter
from typing import Any

import pytest
from django.db import DatabaseError, OperationalError, connection, transaction

from chainfaas.models import Function, User
from chainfaas.sqlite import base
from tests.cast import at_once

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def sqlite_and_little_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    if connection.vendor != "sqlite":
        pytest.skip("another database has its own line")
    monkeypatch.setattr(base, "PATIENCE_S", 0.3)


def the_next_can_write() -> bool:
    """Another thread gets its turn."""

    def write() -> bool:
        try:
            with transaction.atomic():
                User.objects.filter(username="nobody").update(email="x@example.org")
        except OperationalError:
            return False
        return True

    return bool(at_once(write)[0])


def test_while_one_writes_the_others_wait_and_give_up_in_the_end() -> None:
    with transaction.atomic():
        assert not the_next_can_write()
    assert the_next_can_write()


def test_after_an_error_the_turn_is_over() -> None:
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        raise ZeroDivisionError
    assert the_next_can_write()

    with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT nonsense")
    assert the_next_can_write()


def test_a_commit_that_fails_ends_the_turn() -> None:
    orphan = Function(owner=User(), name="orphan", image="x")
    with pytest.raises(DatabaseError), transaction.atomic():
        orphan.save(force_insert=True)
    assert the_next_can_write()


def test_a_connection_that_closes_within_its_turn_ends_it() -> None:
    with transaction.atomic():
        connection.close()
        assert the_next_can_write()
    assert the_next_can_write()


def test_a_turn_that_cannot_begin_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    def locked(_: Any) -> None:
        raise OperationalError("database is locked")

    with monkeypatch.context() as patch:
        patch.setattr(base.base.DatabaseWrapper, "_start_transaction_under_autocommit", locked)
        with pytest.raises(OperationalError), transaction.atomic():
            pass
    connection.close()
    assert the_next_can_write()


def test_savepoints_stay_within_one_turn() -> None:
    with transaction.atomic():
        with pytest.raises(ZeroDivisionError), transaction.atomic():
            raise ZeroDivisionError
        assert not the_next_can_write()
    assert the_next_can_write()


def test_nobody_is_kept_waiting_by_those_who_come_again_and_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "PATIENCE_S", 10)
    turns: Counter[int] = Counter()
    stop = threading.Event()

    def write(number: int) -> None:
        while not stop.is_set():
            with transaction.atomic():
                User.objects.filter(username="nobody").update(email="x@example.org")
                turns[number] += 1

    def end() -> None:
        time.sleep(0.5)
        stop.set()

    at_once(*(lambda n=n: write(n) for n in range(6)), end)  # type: ignore[misc]

    assert len(turns) == 6
    assert min(turns.values()) * 10 > max(turns.values()), turns
