"""Nodes that a job has lost: how often a session is tried again, and when the job is.

In: a run directory. Out: counts, over requeues of the job too: what counts stands in files. Must not know how a node's
loss is noticed.
"""

from __future__ import annotations

from pathlib import Path

from harness.plan.points import Session
from harness.records.files import session_folder
from harness.records.naming import session_kind

# A session that lost a node is tried again so many times.
TRIES_AFTER_NODE_FAILURE = 1
# In the folder of a session that lost a node.
NODE_FAILURE_FILE = "node-failure"


def note_failure(folder: Path) -> None:
    """folder: the session's own."""
    (folder / NODE_FAILURE_FILE).touch()


def failures(run: Path) -> int:
    """Sessions of any kind that have lost a node."""
    return _count(run, "*")


def failures_of(run: Path, session: Session) -> int:
    """Sessions of this kind that have lost a node, in this run of the job and those before."""
    return _count(run, f"*{session_kind(session.controller, session.devices)}*")


def _count(run: Path, pattern: str) -> int:
    tries = session_folder(run, pattern)
    return sum(1 for _ in tries.parent.glob(f"{tries.name}/{NODE_FAILURE_FILE}"))
