"""Files written whole or not at all.

In: a path and its content. Out: the file, replaced in one move. Must not know what is inside.
"""

from __future__ import annotations

import os
from pathlib import Path


def write_bytes(path: Path, content: bytes) -> None:
    """Write beside the target, then move over it: a kill leaves the old file or the new one, never half."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # The process id keeps two reports on one directory from writing into each other's half-written file.
    beside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        beside.write_bytes(content)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def write_text(path: Path, content: str) -> None:
    """As write_bytes, in UTF-8; what UTF-8 cannot hold (lone surrogates from a file name) becomes `?`."""
    write_bytes(path, content.encode("utf-8", errors="replace"))
