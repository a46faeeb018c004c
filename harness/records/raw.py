"""The raw files of a run, and the records in them, read one after the other.

In: files raw/*.jsonl of a run directory. Out: records, and what was skipped. Must not know torch or what the numbers
mean.

One file per session and rank, and `launcher.jsonl`. A large run has a million lines: nobody gets them all at once.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from copy import copy
from pathlib import Path

from harness.core.files import beneath
from harness.records.kinds import OF_LAUNCHER, OF_RANKS, AnyRecord, Outcome, Point, Start, decoded
from harness.records.lines import CONTRADICTING, MISPLACED, read_lines

RAW, LAUNCHER_FILE = "raw", "launcher.jsonl"


class RawFiles:
    """What lies in raw/ of a run directory. Bad lines are skipped and counted, never fatal.

    names: of the files, try 10 of a session after try 2. skipped: kind of defect (harness.records.lines) -> lines, of
    the files that were read. unread: files that are no plain files, and why. Raises OSError if the directory cannot be
    read.
    """

    def __init__(self, directory: Path, prefix: str = "") -> None:
        """prefix: of the files that are meant."""
        self._directory = directory
        self.names = sorted(beneath.names(directory, RAW, f"{prefix}*.jsonl"), key=_in_order)
        self.skipped: Counter[str] = Counter()
        self.unread: list[str] = []

    def anew(self) -> RawFiles:
        """The same files, of which nothing was read yet."""
        again = copy(self)
        again.skipped, again.unread = Counter(), []
        return again

    @property
    def of_ranks(self) -> list[str]:
        return [name for name in self.names if name != LAUNCHER_FILE]

    @property
    def bytes(self) -> int:
        """Of all files together, as far as they can be looked at."""
        return sum(beneath.size(self._directory, f"{RAW}/{name}") for name in self.names)

    def records(self, name: str) -> Iterator[AnyRecord]:
        """Those of one file that belong there. To be read once: each reading counts what it skips."""
        try:
            descriptor = beneath.open_file(self._directory, f"{RAW}/{name}")
        except beneath.NotPlain as error:
            self.unread.append(f"{RAW}/{name}: {error.strerror}")
            return
        own = OF_LAUNCHER if name == LAUNCHER_FILE else OF_RANKS
        for record in read_lines(descriptor, self.skipped, decoded):
            if isinstance(record, own):
                yield record
            else:
                self.skipped[MISPLACED] += 1

    def launcher(self) -> Launcher:
        """What the launcher wrote down; nothing where its file is not there."""
        launcher = Launcher(list(self.records(LAUNCHER_FILE)) if LAUNCHER_FILE in self.names else [])
        if launcher.contradicting:
            self.skipped[CONTRADICTING] += launcher.contradicting
        return launcher


class Launcher:
    """The records of launcher.jsonl, in their order, by their types: points each once.

    contradicting: records of points that stand there before with other axes, which what was measured since was of.
    """

    def __init__(self, records: list[AnyRecord]) -> None:
        self.starts = [record for record in records if isinstance(record, Start)]
        self.outcomes = [record for record in records if isinstance(record, Outcome)]
        by_key: dict[str, Point] = {}
        said = [record for record in records if isinstance(record, Point)]
        self.contradicting = sum(by_key.setdefault(point.key, point).axes != point.axes for point in said)
        self.points = list(by_key.values())


def read_launcher(directory: Path) -> Launcher:
    """The launcher's records alone. Raises OSError if the directory cannot be read."""
    return RawFiles(directory, prefix=LAUNCHER_FILE.removesuffix(".jsonl")).launcher()


def _in_order(name: str) -> list[tuple[int, str]]:
    """Sort key by which try 10 comes after try 2."""
    return [(int(part), "") if part.isdecimal() else (0, part) for part in re.split(r"([0-9]{1,18})", name)]
