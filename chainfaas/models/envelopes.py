"""Transactions that were sent to a remote ledger and whose outcome is not known yet."""

from __future__ import annotations

from django.db import models
from django.utils import timezone


class LedgerEnvelope(models.Model):
    """A signed transaction, from just before it is submitted until the ledger said what became of it."""

    tx_id = models.CharField(primary_key=True, max_length=64)
    data = models.BinaryField()  # chaincode's Envelope.dump()
    debited = models.JSONField(default=list)  # accounts that no other debit may touch meanwhile
    stored_at = models.DateTimeField(default=timezone.now)
    tried_at = models.DateTimeField(default=timezone.now)

    class Meta:
        db_table = "ledger_envelope"
