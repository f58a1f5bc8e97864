"""A hosted machine whose certificate ends soon gets a new one at the next start, and is paid as before."""

from __future__ import annotations

from pathlib import Path

import pytest

from chainfaas.identity import embedded
from chainfaas.models import Machine
from ops import hosting
from tests.cast import Person


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("ledger")
def test_a_hosted_machine_is_renewed(pete: Person, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "LEAF_DAYS", 29)
    (first,) = hosting.enrol(pete.user, 1, 2, tmp_path)
    old = Machine.objects.get(id=first.machine).certificate
    monkeypatch.undo()

    (again,) = hosting.enrol(pete.user, 1, 2, tmp_path)

    new = Machine.objects.get(id=again.machine).certificate
    assert again.machine == first.machine
    assert embedded.ends_soon(old)
    assert not embedded.ends_soon(new)
    assert again.certificate.read_text() == new
