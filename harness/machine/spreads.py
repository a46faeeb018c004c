"""What earlier sweeps have found of this machine: how far its sessions lie apart, and how fast it was in each.

In: what the machine is, Spreads and times. Out: a file in the user's state directory, and an Earlier read back. Must
not know how they are measured; where the file cannot be read or written, nothing is known, and nothing fails.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.core.files import beneath
from harness.core.files.plain import read_json
from harness.core.numbers import is_number
from harness.core.stats.spread import Earlier, Spreads, between_sweeps, with_assumed

FILE = "spreads.json"
# Of so many sweeps the times of the reference work are kept: the machine is to be as it is these days.
KEPT_SWEEPS = 20
# More sessions than a sweep can have.
_MOST_SESSIONS = 10_000


def state_directory() -> Path:
    """$XDG_STATE_HOME/harness, as the XDG Base Directory Specification has it; ~/.local/state/harness without."""
    given = os.environ.get("XDG_STATE_HOME", "")
    # A relative path is to be ignored.
    base = Path(given) if given.startswith("/") else Path("~/.local/state").expanduser()
    return base / "harness"


def earlier_sweeps(environment: Mapping[str, Any]) -> Earlier:
    """Of the machine that environment.json describes; the drift with what is assumed of every machine."""
    known = _known().get(_place(environment))
    return Earlier(Spreads.of(known), with_assumed(between_sweeps(_speeds(known))))


def keep_sweep(environment: Mapping[str, Any], spreads: Spreads | None, speeds: Sequence[float]) -> None:
    """Keep what a sweep found. spreads: take the place of those of an earlier one; None: its own stay. speeds: time of
    the reference work in each of its sessions, beside those of earlier sweeps. A sweep that goes on is known by the
    times that it had before, and counts once."""
    everything = _known()
    place = _place(environment)
    spreads = spreads or Spreads.of(everything.get(place))
    others = [each for each in _speeds(everything.get(place)) if not set(each) & set(speeds)]
    kept = [*others, *([list(speeds)] if speeds else [])][-KEPT_SWEEPS:]
    known = {**everything, place: {**(spreads.plain() if spreads else {}), "speeds": kept}}
    with contextlib.suppress(OSError, RuntimeError):
        folder = state_directory()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        beneath.replace(folder, FILE, json.dumps(known, indent=1, sort_keys=True).encode())


def _known() -> dict[str, Any]:
    try:
        return read_json(state_directory() / FILE) or {}
    except (OSError, ValueError, RuntimeError):  # RuntimeError: a user without a home directory
        return {}


def _speeds(known: Any) -> list[list[float]]:
    """Of each sweep that is known; what is no such thing is left out."""
    given = known.get("speeds") if isinstance(known, dict) else None
    return list(_lists_of_times(given)) if isinstance(given, list) else []


def _lists_of_times(given: list[Any]) -> Iterator[list[float]]:
    for each in given:
        is_list = isinstance(each, list) and 0 < len(each) < _MOST_SESSIONS
        if is_list and all(is_number(time) and time > 0 for time in each):
            yield [float(time) for time in each]


def _place(environment: Mapping[str, Any]) -> str:
    """What must be the same for sessions to lie apart as far."""
    parts = (environment.get("host"), environment.get("device_kind"), environment.get("device_name"))
    return " / ".join(map(str, parts))
