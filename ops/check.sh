#!/usr/bin/env bash
# What must be clean before a commit. Runs everything, and fails if anything did.
set -uo pipefail
bin=$1/bin failed=0
run() { echo "check: $*" >&2; "$@" || failed=1; }

run "$bin/ruff" check .
run "$bin/ruff" format --check --quiet .
run "$bin/mypy"
run "$bin/lint-imports" --no-cache
run "$bin/python" manage.py makemigrations --check --dry-run
run "$bin/python" manage.py check --fail-level WARNING
run "$bin/python" -m ops.openapi_current
exit $failed
