"""Settings of a provider's program. The other two readers of the environment are the controller's.

A secret may be given as NAME or as NAME_FILE, so that it need not stand in the environment.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from chaincode.identity import PROVIDERS
from tasks import topology
from tasks.environment import Environment

CHANNEL = "chainfaas"


@dataclass(frozen=True)
class Config:
    """One machine. Built from the environment, or directly by the process that hosts several."""

    machine: str  #: the id that enrolment gave
    data: Path  #: a folder of this machine's own: journal and temporary folders
    key: Path  #: PEM, made on this machine
    certificate: Path  #: PEM, from enrolment
    slots: int = 1  #: functions at once
    memory_mb: int = 1024  #: the largest function that fits
    cpus: float = 1.0
    runtime_url: str = "process://"
    broker_url: str = field(default="memory://", repr=False)  #: holds the machine's password
    channel: str = CHANNEL
    msp: str = PROVIDERS
    ledger_url: str = ""  #: where it looks whether it was paid; "": it does not
    settle_after_s: float = 60.0  #: how long its receipt may take to the ledger

    def __post_init__(self) -> None:
        if not re.fullmatch(topology.MACHINE_ID, self.machine):
            raise ValueError(f"{self.machine!r} is no machine id: enrol this machine first")
        if self.slots < 1 or self.memory_mb < 1 or self.cpus <= 0:
            raise ValueError("a machine needs at least one slot, 1 MiB and some CPU")

    @classmethod
    def from_environment(cls) -> Config:
        """Raises environ's ImproperlyConfigured, naming the variable, or ValueError, saying what is wrong."""
        env = Environment()  # type: ignore[no-untyped-call] # environ has no types
        data = Path(env.str("CHAINFAAS_DATA", default="~/.chainfaas/provider")).expanduser()
        return cls(
            machine=env.str("CHAINFAAS_MACHINE"),
            data=data,
            key=Path(env.str("CHAINFAAS_KEY_FILE", default=str(data / "machine.key.pem"))),
            certificate=Path(env.str("CHAINFAAS_CERTIFICATE_FILE", default=str(data / "machine.pem"))),
            slots=env.int("CHAINFAAS_SLOTS", default=1),
            memory_mb=env.int("CHAINFAAS_MEMORY_MB", default=1024),
            cpus=env.float("CHAINFAAS_CPUS", default=1.0),
            runtime_url=env.str("RUNTIME_URL", default="docker://"),
            broker_url=env.str("BROKER_URL"),
            channel=env.str("CHAINFAAS_CHANNEL", default=CHANNEL),
            msp=env.str("CHAINFAAS_MSP", default=PROVIDERS),
            ledger_url=env.str("LEDGER_URL", default=""),
            settle_after_s=env.float("CHAINFAAS_SETTLE_AFTER_S", default=60.0),
        )
