"""Parts of a report that could not be made: each costs itself alone.

In: errors. Out: values, and lines that say what is missing and what writes it. Must not know what the parts are.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from harness.core.errors import HarnessError, tell
from harness.core.processes.interrupt import behind
from harness.report.table.formats import one_line

# So many files are named in a line; a full disk fails all of them of the same.
MOST_NAMED = 4


@dataclass(frozen=True)
class Failure:
    """file: as it lies in the report's folder; why: in one line."""

    file: str
    why: str

    @staticmethod
    def of(file: str, error: Exception) -> Failure:
        if isinstance(error, OSError) and error.strerror:
            return Failure(file, error.strerror)
        return Failure(file, one_line(f"{type(error).__name__}: {error}", 200))


@contextlib.contextmanager
def alone(file: str, failed: list[Failure]) -> Iterator[None]:
    """Within: whatever goes wrong is the failure of this file, and no more."""
    try:
        yield
    except Exception as error:
        if behind(error):
            raise
        failed.append(Failure.of(file, error))


def complaints(failed: Sequence[Failure], again: str) -> Iterator[str]:
    """A line a reason. again: the command that writes the report once more."""
    for why in dict.fromkeys(failure.why for failure in failed):
        files = [failure.file for failure in failed if failure.why == why]
        others = f" and {len(files) - MOST_NAMED} others" if len(files) > MOST_NAMED else ""
        yield f"{', '.join(files[:MOST_NAMED])}{others}: {why}; to write the report anew: {again}"


def tell_failed(failed: Sequence[Failure], again: str) -> int:
    """Print the complaints; answers the exit status of a report."""
    for line in complaints(failed, again):
        tell(HarnessError(line))
    return 1 if failed else 0
