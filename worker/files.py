"""Small files that survive whatever happens to the program and to the computer."""

from __future__ import annotations

import os
import threading
from pathlib import Path


def keep(path: Path, text: str) -> None:
    """The content reaches the disk before the name does, and the name before we go on. Else OSError."""
    temporary = path.with_name(f".{path.name}.{threading.get_ident()}")
    with temporary.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.rename(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
