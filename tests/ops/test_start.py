"""Starting the platform: what is wrong is said in one line, and nobody else gets what is ours."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.platform import ROOT, Person, Platform


def start(data: Path, *options: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A start that does not come to `ready`."""
    command = [sys.executable, "-m", "ops.embedded", "--port", "0", "--data", str(data), *options]
    return subprocess.run(
        command, cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True, timeout=60
    )


@pytest.mark.parametrize(
    ("options", "environment", "says"),
    [
        (["--slots", "0"], {}, "--slots"),
        (["--port", "99999"], {}, "--port"),
        (["--provider-user", "Bad_Name"], {}, "lower-case"),
        ([], {"CHAINFAAS_SWEEP_EVERY_S": "abc"}, "CHAINFAAS_SWEEP_EVERY_S"),
        ([], {"CHAINFAAS_POLICY": "bogus"}, "CHAINFAAS_POLICY"),
        ([], {"CHAINFAAS_GRACE_S": "-1"}, "CHAINFAAS_GRACE_S"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(
    tmp_path: Path, options: list[str], environment: dict[str, str], says: str
) -> None:
    done = start(tmp_path / "data", *options, **environment)

    assert done.returncode in (1, 2)
    assert done.stdout == ""
    assert says in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


def test_a_second_one_on_the_same_folder_is_refused(tmp_path: Path) -> None:
    platform = Platform(tmp_path / "data", "--providers", "0").start()

    done = start(tmp_path / "data")

    assert platform.stop() == 0
    assert done.returncode == 1
    assert "another ChainFaaS runs" in done.stderr


def test_an_empty_session_key_is_refused_with_the_cure(tmp_path: Path) -> None:
    (tmp_path / "secret_key").touch()

    done = start(tmp_path)

    assert done.returncode == 1
    assert "secret_key is empty: remove it" in done.stderr


def test_a_stranger_called_host_is_not_paid_for_our_machines(tmp_path: Path) -> None:
    platform = Platform(tmp_path / "data", "--providers", "0").start()
    Person(platform, "host", "provider")
    assert platform.stop() == 0

    done = start(tmp_path / "data", "--providers", "1")

    assert done.returncode == 1
    assert "--provider-user" in done.stderr


def test_our_own_account_is_known_again(tmp_path: Path) -> None:
    for _ in range(2):
        platform = Platform(tmp_path / "data").start()
        assert platform.stop() == 0


def test_nobody_else_can_read_the_data(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir(mode=0o755)
    platform = Platform(data).start()
    Person(platform, "dora", "developer").invoke("example", b"secret")
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in data.iterdir() if path.name != "log"}
    assert platform.stop() == 0

    assert {"chainfaas.db", "ledger.db", "secret_key"} <= set(modes)
    assert not [name for name, mode in modes.items() if mode & 0o077], modes
