"""What a merged run says of the shards it was merged from.

In: a run directory. Out: sentences that its reader must know. Must not know how it was merged.
"""

from __future__ import annotations

from pathlib import Path

from harness.core.files.plain import read_json

# Which shards, which nodes, and the sentences about them.
MERGED_FILE = "merged.json"


def merged(directory: Path) -> tuple[str, list[str]]:
    """What must stand above all else, empty where nothing must; and notes, none where the run was not merged."""
    about = read_json(directory / MERGED_FILE) or {}
    alarm, notes = about.get("alarm"), about.get("notes")
    return (
        alarm if isinstance(alarm, str) else "",
        [note for note in notes if isinstance(note, str)] if isinstance(notes, list) else [],
    )
