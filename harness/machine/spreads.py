"""What earlier sweeps have found of this machine: how far its sessions lie apart.

In: what the machine is, and Spreads. Out: a file in the user's state directory, and Spreads read back. Must not know
how they are measured; where the file cannot be read or written, nothing is known, and nothing fails.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.core.files import beneath
from harness.core.files.plain import read_json
from harness.core.stats.spread import Spreads

FILE = "spreads.json"


def state_directory() -> Path:
    """$XDG_STATE_HOME/harness, as the XDG Base Directory Specification has it; ~/.local/state/harness without."""
    given = os.environ.get("XDG_STATE_HOME", "")
    # A relative path is to be ignored.
    base = Path(given) if given.startswith("/") else Path("~/.local/state").expanduser()
    return base / "harness"


def stored_spreads(environment: Mapping[str, Any]) -> Spreads | None:
    """Of the machine that environment.json describes; None where none is known."""
    return Spreads.of(_known().get(_place(environment)))


def store_spreads(environment: Mapping[str, Any], spreads: Spreads) -> None:
    """In the place of those of an earlier sweep."""
    known = {**_known(), _place(environment): spreads.plain()}
    with contextlib.suppress(OSError, RuntimeError):
        folder = state_directory()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        beneath.replace(folder, FILE, json.dumps(known, indent=1, sort_keys=True).encode())


def _known() -> dict[str, Any]:
    try:
        return read_json(state_directory() / FILE) or {}
    except (OSError, ValueError, RuntimeError):  # RuntimeError: a user without a home directory
        return {}


def _place(environment: Mapping[str, Any]) -> str:
    """What must be the same for sessions to lie apart as far."""
    parts = (environment.get("host"), environment.get("device_kind"), environment.get("device_name"))
    return " / ".join(map(str, parts))
