"""Every command in the README works, in the order in which a newcomer would type them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.platform import Platform

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"^```sh\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
MAKEFILE = (ROOT / "Makefile").read_text()


def test_the_two_commands_come_first() -> None:
    assert [block.strip() for block in BLOCKS[:2]] == ["make demo", "make test"]


def test_the_other_ledger_has_a_test_of_its_own() -> None:
    assert [block.strip() for block in BLOCKS[7:]] == ["chainfaas demo --ledger served"]
    assert '"--ledger", "served"' in (ROOT / "tests" / "flow" / "test_served.py").read_text()


def test_every_make_target_exists() -> None:
    for target in re.findall(r"make ([a-z]+)", README):
        assert re.search(rf"^{target}:", MAKEFILE, re.MULTILINE), target


def test_every_file_that_it_names_exists() -> None:
    for name in re.findall(r"\]\((docs/[^)]+)\)", README):
        assert list(ROOT.glob(name)) or list(ROOT.glob(f"{name}-*")), name


@pytest.mark.timeout(120)
def test_the_lines_of_a_newcomer(tmp_path: Path) -> None:
    platform = Platform(tmp_path / "data").start()
    shell = Shell(platform.url, tmp_path)
    start = BLOCKS[2]
    assert ".venv/bin/chainfaas up" in start  # what Platform did
    try:
        first, with_job, own, curl = BLOCKS[3:7]
        before_and_after = [
            int(found.replace(",", "")) for found in re.findall(r"([\d,]{5,})", shell.run(first))
        ]
        job = json.loads(shell.run("chainfaas jobs --json"))[0]
        shell.environment["JOB"] = job["id"]
        record = shell.run(with_job)
        shell.run(own)
        token = json.loads(shell.run("curl -sS -H 'Content-Type: application/json' -d "
            '\'{"username": "dora", "password": "a long passphrase", "name": "curl"}\' '
            "http://127.0.0.1:8000/api/v1/tokens"))["token"]  # fmt: skip
        shell.environment["CHAINFAAS_TOKEN"] = token
        answer = shell.run(curl)
    finally:
        assert platform.stop() == 0

    assert 10_000_000 in before_and_after
    assert 10_000_000 - job["cost"] in before_and_after, "the balance went down by exactly the cost"
    assert job["id"] in record
    assert json.loads(answer)["words"] > 100


class Shell:
    """A newcomer's terminal: an empty home, and the command on the PATH."""

    def __init__(self, url: str, home: Path) -> None:
        self._url = url
        self.environment = {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "HOME": str(home),
            "CHAINFAAS_URL": url,
            "PWD": str(ROOT),
        }

    def run(self, block: str) -> str:
        script = block.replace("http://127.0.0.1:8000", self._url)
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, f"{script}\n{done.stdout}\n{done.stderr}"
        return done.stdout
