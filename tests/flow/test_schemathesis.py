"""Whatever the OpenAPI allows, and much that it does not, is answered: never with a server error.

`SCHEMATHESIS_EXAMPLES=200` for the long form.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.platform import Person, Platform

EXAMPLES = os.environ.get("SCHEMATHESIS_EXAMPLES", "8")
# 502 to 504 are answers of their own: a function failed, nobody is there, it takes longer.
CONFIG = """
[checks]
enabled = false

[checks.not_a_server_error]
enabled = true
expected-statuses = ["2xx", "3xx", "4xx", 502, 503, 504]

[checks.every_part_answers]
enabled = true
"""
# But all parts are there, so nobody may hear that one is away: a crash inside may look like that.
CHECK = """
import schemathesis

@schemathesis.check
def every_part_answers(context, response, case):
    slug = response.json().get("type", "").rpartition("/")[2] if response.status_code == 503 else ""
    assert slug not in {"ledger-away", "broker-away", "database-away", "busy"}, response.text
"""


@pytest.mark.timeout(900)
def test_no_server_errors(platform: Platform, dora: Person, tmp_path: Path) -> None:
    config = tmp_path / "schemathesis.toml"
    config.write_text(CONFIG)
    (tmp_path / "every_part_answers.py").write_text(CHECK)
    command = [str(Path(sys.executable).with_name("schemathesis")), "--config-file", str(config), "run"]
    options = [
        "--max-examples",
        EXAMPLES,
        "--no-color",
        "--request-timeout",
        "60",
        "--suppress-health-check",
        "all",
        "--wait-for-schema",
        "10",
    ]
    header = ["--header", f"Authorization: {dora.http.headers['Authorization']}"]

    done = subprocess.run(
        [*command, f"{platform.url}/api/v1/openapi.json", *options, *header],
        env={**os.environ, "SCHEMATHESIS_HOOKS": "every_part_answers"},
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert "Traceback" not in platform.log, platform.log[-6000:]
