"""What a provider's program reads from its environment."""

from __future__ import annotations

from pathlib import Path

import pytest
from environ import FileAwareEnv, ImproperlyConfigured

from worker import runtime
from worker.config import Config
from worker.runtime.process import ProcessRuntime


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    FileAwareEnv.ENVIRON.files_cache.clear()
    for name in ("CHAINFAAS_DATA", "RUNTIME_URL", "BROKER_URL", "BROKER_URL_FILE", "LEDGER_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CHAINFAAS_MACHINE", "pete0001")


def test_secrets_may_be_in_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "broker").write_text("amqp://pete0001:s3cret@broker//")
    monkeypatch.setenv("BROKER_URL_FILE", str(tmp_path / "broker"))
    monkeypatch.setenv("CHAINFAAS_DATA", str(tmp_path))

    config = Config.from_environment()

    assert config.broker_url == "amqp://pete0001:s3cret@broker//"
    assert config.key == tmp_path / "machine.key.pem"
    assert (config.slots, config.memory_mb, config.channel, config.msp) == (
        1,
        1024,
        "chainfaas",
        "ProvidersMSP",
    )
    assert "s3cret" not in repr(config)


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ImproperlyConfigured, match="BROKER_URL"):
        Config.from_environment()


@pytest.mark.parametrize(
    "wrong",
    [
        {"machine": "Pete's"},
        {"machine": "a/../b"},
        {"machine": ""},
        {"slots": 0},
        {"memory_mb": 0},
        {"cpus": 0.0},
    ],
    ids=str,
)
def test_what_cannot_be_is_refused(tmp_path: Path, wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="machine"):
        Config(
            **({"machine": "pete0001", "data": tmp_path, "key": tmp_path, "certificate": tmp_path} | wrong)
        )  # type: ignore[arg-type]


def test_plain_processes_are_for_the_broker_of_this_process_only(tmp_path: Path) -> None:
    local = Config("pete0001", tmp_path, tmp_path, tmp_path)
    remote = Config("pete0001", tmp_path, tmp_path, tmp_path, broker_url="amqps://pete0001:s3cret@broker//")

    assert isinstance(runtime.connect(local), ProcessRuntime)
    with pytest.raises(ValueError, match="use docker://") as refusal:
        runtime.connect(remote)
    assert "s3cret" not in str(refusal.value)


def test_it_looks_on_the_ledger_only_where_it_is_told_of_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BROKER_URL", "memory://")
    assert Config.from_environment().ledger_url == ""

    monkeypatch.setenv("LEDGER_URL", "fabric://peer:7051/chainfaas")
    monkeypatch.setenv("CHAINFAAS_SETTLE_AFTER_S", "5")
    config = Config.from_environment()

    assert (config.ledger_url, config.settle_after_s) == ("fabric://peer:7051/chainfaas", 5.0)
