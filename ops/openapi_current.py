"""`python -m ops.openapi_current`: fails if chainfaas/openapi.yaml is not what the code says."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path


def main() -> int:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "chainfaas.settings")
    import django
    from django.core.management import call_command

    django.setup()
    committed = Path(__file__).parent.parent / "chainfaas" / "openapi.yaml"
    with tempfile.TemporaryDirectory() as folder:
        fresh = Path(folder) / "openapi.yaml"
        call_command("spectacular", file=str(fresh), validate=True, fail_on_warn=True)
        if fresh.read_text() == committed.read_text():
            return 0
    print("chainfaas/openapi.yaml is not what the code says: run `make openapi`", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
