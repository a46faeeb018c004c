"""How far the sessions of a run came, and the last word on points that were given up.

In: raw records. Out: cells begun and ended, points dropped and why. Must not know the points' table.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.records.naming import rank_files, rank_of, try_number
from harness.records.raw import read_raw


@dataclass(frozen=True)
class SessionProgress:
    """How far a session came. begun, ended: cell ids; dropped: point key -> (status, reason)."""

    begun: set[str]
    ended: set[str]
    dropped: dict[str, tuple[str, str]]


def session_progress(directory: Path, session_id: str) -> SessionProgress:
    """How far the ranks of one session came."""
    begun: set[str] = set()
    ended: set[str] = set()
    drops: list[dict[str, Any]] = []
    for name, records in read_raw(directory, prefix=rank_files(session_id)).files.items():
        rank = rank_of(name)
        for record in records:
            if record["type"] == "cell":
                begun.add(record["cell"])
            elif record["type"] == "end":
                ended.add(record["cell"])
            elif record["type"] == "dropped":
                drops.append({**record, "rank": rank})
    return SessionProgress(begun, ended, last_word(drops))


def last_word(drops: Iterable[dict[str, Any]]) -> dict[str, tuple[str, str]]:
    """Point key -> (status, reason) of the last try at it.

    Within a try the first rank's word counts, since the others may have failed because of it.
    """
    last: dict[str, tuple[str, str]] = {}
    for drop in sorted(drops, key=lambda d: (-try_number(d.get("session")), d["at_ns"])):
        reason = f"rank {drop['rank']}: {drop['error']}" if "rank" in drop else drop["error"]
        last.setdefault(drop["key"], (drop["status"], reason))
    return last
