"""Files of an authority: whole or not at all, and readable by us alone."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path


def keep(path: Path, content: bytes) -> None:
    """Whole or not at all, readable by us alone. Of several that come at once the first one's is kept."""
    temporary = _written(path, content)
    with suppress(FileExistsError):
        path.hardlink_to(temporary)
    temporary.unlink()


def replace(path: Path, content: bytes) -> None:
    """The new content or the old one, readable by us alone."""
    _written(path, content).replace(path)


def _written(path: Path, content: bytes) -> Path:
    """A temporary neighbour of `path` that has the content, on disk."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # mode 0600
    with os.fdopen(handle, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    return Path(name)
