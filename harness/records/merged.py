"""What a merged run says of the shards it was merged from.

In: a run directory. Out: sentences that its reader must know. Must not know how it was merged.
"""

from __future__ import annotations

from pathlib import Path

from harness.core.files.plain import read_json

# Which shards, which nodes, and the sentences about them.
MERGED_FILE = "merged.json"


def merged_notes(directory: Path) -> list[str]:
    """None where the run was not merged."""
    about = read_json(directory / MERGED_FILE) or {}
    return [note for note in about.get("notes", []) if isinstance(note, str)]
