"""Raw files as they lie on the disk, read with nothing of the harness: every field of every line.

In: a run directory. Out: plain dicts. Must not know what the harness takes for a record.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def lines_of(run: Path, pattern: str = "*.jsonl") -> dict[str, list[dict[str, Any]]]:
    """File of raw/ -> what stands in it; a line that a kill cut off is left out."""
    return {path.name: list(_read(path)) for path in sorted((run / "raw").glob(pattern))}


def _read(path: Path) -> Iterator[dict[str, Any]]:
    for line in path.read_bytes().splitlines():
        try:
            yield json.loads(line)
        except ValueError:
            continue
