"""An index of account changes over the ledger's blocks. It can be dropped and rebuilt from block 0."""

from __future__ import annotations

from django.db import models


class AccountPart(models.Model):
    """One ledger key of an account (its base or a credit) as the index last read it."""

    key = models.CharField(primary_key=True, max_length=200)
    account = models.CharField(max_length=64, db_index=True)
    free = models.BigIntegerField()
    held = models.BigIntegerField()

    class Meta:
        db_table = "ledger_account_part"


class AccountChange(models.Model):
    """What one transaction did to one account, and the balance after it."""

    account = models.CharField(max_length=64)
    block = models.PositiveBigIntegerField()
    tx_id = models.CharField(max_length=64)
    at = models.DateTimeField()
    why = models.CharField(max_length=40)  # the transaction's function: deposit, create, finish, …
    free = models.BigIntegerField()
    held = models.BigIntegerField()
    change = models.BigIntegerField()  # of free + held

    class Meta:
        db_table = "ledger_account_change"
        indexes = [models.Index(fields=["account", "-id"], name="account_history")]


class IndexedHeight(models.Model):
    """How many blocks the index has read. One row."""

    height = models.PositiveBigIntegerField(default=0)

    class Meta:
        db_table = "ledger_indexed_height"
