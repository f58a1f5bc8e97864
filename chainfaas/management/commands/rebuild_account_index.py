"""`manage.py rebuild_account_index`: read the accounts' histories anew from the first block."""

from typing import Any

from django.core.management import BaseCommand

from chainfaas.ledger import account_index


class Command(BaseCommand):
    help = "Forget the index of account changes, and build it anew from the ledger's blocks."

    def handle(self, *_: Any, **__: Any) -> None:
        account_index.rebuild()
        self.stdout.write("The account index was built anew.")
