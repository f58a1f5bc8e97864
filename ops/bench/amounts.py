"""How much is measured."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Amounts:
    """Numbers of calls. Enough that a p95 is not the maximum, few enough that all is done in two minutes."""

    plain: int  #: bare processes
    warm_up: int  #: calls that are not counted
    alone: int  #: calls one after another
    crowd: int  #: calls with many in flight
    steps: int  #: calls whose every step is timed
    single: int  #: jobs on the ledger, one a transaction
    batches: int  #: batches of each size
    crowd_batches: int  #: batches with many in flight


FULL = Amounts(plain=60, warm_up=10, alone=100, crowd=400, steps=60, single=100, batches=10, crowd_batches=32)
QUICK = Amounts(plain=3, warm_up=1, alone=3, crowd=16, steps=3, single=4, batches=1, crowd_batches=1)

IN_FLIGHT = 16
"""How many calls the crowd has under way."""

SLOTS = 4
"""Of the platform's one machine: a queue of 16, which is the crowd."""

BATCH_SIZES = (10, 100)
