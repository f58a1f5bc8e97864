"""What this machine did and does not know to be paid, on disk: one small file an attempt."""

from __future__ import annotations

import hashlib
import time
from pathlib import Path

import msgspec
import structlog

from tasks import names
from tasks.messages import Result
from worker import files

log = structlog.get_logger()


class Claim(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The machine's word on one attempt, as `set_time` takes it."""

    job: str
    attempt: int
    run_ms: int
    exit_code: int
    result_sha256: str
    ended_at: float  #: seconds since 1970
    version: int = 1

    @classmethod
    def of(cls, result: Result) -> Claim:
        digest = hashlib.sha256(result.output).hexdigest()
        return cls(result.job, result.attempt, result.run_ms, result.exit_code, digest, time.time())

    @property
    def id(self) -> str:
        return names.task_id(self.job, self.attempt)

    def time(self) -> dict[str, str | int]:
        """The document of `set_time`."""
        return {
            "job": self.job,
            "attempt": self.attempt,
            "run_ms": self.run_ms,
            "exit_code": self.exit_code,
            "result_sha256": self.result_sha256,
        }


class Claims:
    """What `keep` was given is there, whole, in the next life too. Threads may share it."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._folder = folder

    def keep(self, claim: Claim) -> None:
        """Raises OSError where the disk does not take it."""
        files.keep(self._path(claim), msgspec.json.encode(claim).decode())

    def forget(self, claim: Claim) -> None:
        self._path(claim).unlink(missing_ok=True)

    def all(self) -> list[Claim]:
        """The oldest first. One that cannot be read is left out, and left lying for somebody to look at."""
        found = [claim for path in self._folder.glob("*.claim") if (claim := _read(path))]
        return sorted(found, key=lambda claim: claim.ended_at)

    def _path(self, claim: Claim) -> Path:
        return self._folder / f"{claim.id}.claim"


def _read(path: Path) -> Claim | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Claim)
    except (OSError, msgspec.MsgspecError) as error:
        log.error("claim.unreadable", file=path.name, error=type(error).__name__)
        return None
