"""What the command remembers between calls: which server was last logged in to, and a token for each.

Everything lies in `$XDG_CONFIG_HOME/chainfaas` and is readable by its owner only.
"""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO

from chainfaas.cli.errors import Failure

DEFAULT_URL = "http://127.0.0.1:8000"


@dataclass(frozen=True)
class Account:
    """Who is logged in to one server."""

    username: str
    token: str = field(repr=False)
    token_id: str


@dataclass
class Config:
    url: str | None = None  #: the server of the last login
    accounts: dict[str, Account] = field(default_factory=dict)  #: by the server's URL

    @classmethod
    def load(cls) -> Config:
        try:
            content = json.loads(path().read_bytes())
            accounts = {url: Account(**account) for url, account in content["accounts"].items()}
            return cls(content["url"], accounts)
        except FileNotFoundError:
            return cls()
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise Failure(
                f"{path()} is not what `chainfaas login` wrote: remove it and log in again"
            ) from error

    def save(self) -> None:
        accounts = {url: asdict(account) for url, account in self.accounts.items()}
        with private_file(path()) as file:
            json.dump({"url": self.url, "accounts": accounts}, file, indent=2)


def folder() -> Path:
    base = os.environ.get("XDG_CONFIG_HOME", "")
    return (Path(base) if base.startswith("/") else Path.home() / ".config") / "chainfaas"


def path() -> Path:
    return folder() / "config.json"


@contextmanager
def private_file(target: Path) -> Iterator[IO[str]]:
    """A file that is there whole or not at all, with mode 0600 from its first byte.

    It is opened on entering, so a full disk's or a folder's refusal comes before whatever the body does.
    """
    target = target.resolve()  # somebody keeps a link into a repository of dotfiles: write where it points
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    number, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)  # mkstemp makes it 0600
    try:
        with os.fdopen(number, "w") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(target)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            Path(name).unlink()
        raise
