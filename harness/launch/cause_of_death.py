"""Why a session died: read from what torchrun and its ranks printed last.

In: lines of output, and torchrun's exit status. Out: one line, and whether it was by a signal. Must not know how
processes are started or ended.
"""

from __future__ import annotations

import contextlib
import re
import signal
from typing import NamedTuple

_SUMMARY = re.compile(r"^Failures:|Root Cause")
_ROOT_CAUSE = re.compile(r"Root Cause")
_RANK = re.compile(r"^\s*rank\s*:\s*(\d+)")
_EXIT_CODE = re.compile(r"^\s*exitcode\s*:\s*(-?\d+) \(pid: (\d+)\)")
_SENT_BY_TORCHRUN = re.compile(r"Sending process (\d+) closing signal")
_CHAINED = re.compile(r"another exception occurred|direct cause of the following|^\[rank\d+\]:")
_RANKS_EXCEPTION = re.compile(r"^\[rank(\d+)\]:\s*((?:\w+\.)*\w*(?:Error|Exception|Broken|Interrupt)\b.*)$")
# What a rank says when another one has gone.
_CONSEQUENCE = re.compile(r"Connection (?:closed|reset) by peer|Broken pipe|ncclRemoteError")
_EXCEPTION = re.compile(r"^(?:\[rank\d+\]:\s*)?((?:\w+\.)*\w*(?:Error|Exception|Broken|Interrupt)\b.*)$")


def cause_of_death(lines: list[str], returncode: int) -> tuple[str, bool]:
    """Why a session died, from what torchrun and the ranks printed last: in one line, and whether by a signal."""
    summary = next((i for i, line in enumerate(lines) if _SUMMARY.search(line)), len(lines))
    first, others = _failures(lines[summary:])
    code = first.code if first else None
    if code is None and returncode < 0:
        return f"torchrun was ended by {signal_name(-returncode)}", True
    rank, said = _last_words(lines[:summary], first.rank if first else None)
    if first and first.code >= 0 and (said is None or is_consequence(said)):
        # torchrun looks now and then (TORCHRUN_LOOKS_EVERY_S) and takes the lowest rank of all that it then finds
        # dead: of a rank that was ended and one that failed for want of it, the second where its number is lower.
        sent = {int(found[1]) for line in lines if (found := _SENT_BY_TORCHRUN.search(line))}
        first = next((each for each in others if each.code < 0 and each.pid not in sent), first)
    if first and first.code < 0:
        killed = f"rank {first.rank} was ended by {signal_name(-first.code)}"
        return killed + (", perhaps for want of memory" if -first.code == signal.SIGKILL else ""), True
    who = f"rank {rank} exited with status {code}" if code is not None else None
    return (who or f"torchrun exited with status {returncode}") + (f": {said}" if said else ""), False


def is_consequence(said: str) -> bool:
    """Whether an exception's line only says that another rank has gone."""
    return bool(_CONSEQUENCE.search(said))


class _Failure(NamedTuple):
    rank: int
    code: int  # negative: the signal
    pid: int


def _failures(summary: list[str]) -> tuple[_Failure | None, list[_Failure]]:
    """The rank that torchrun calls the first to fail, and the others."""
    first: _Failure | None = None
    others: list[_Failure] = []
    rank, root = None, False
    for line in summary:
        root = root or bool(_ROOT_CAUSE.search(line))
        if found := _RANK.match(line):
            rank = int(found[1])
        if rank is not None and (found := _EXIT_CODE.match(line)):
            failure, rank = _Failure(rank, int(found[1]), int(found[2])), None
            if not root:
                others.append(failure)
            elif first is None:
                first = failure
    return first, others


def _last_words(lines: list[str], rank: int | None) -> tuple[int | None, str | None]:
    """The rank that failed first and the exception that ended it.

    rank: the one that torchrun saw first. Where it only says that another one has gone, it is that one.
    """
    of_ranks: dict[int, str] = {}
    for line in lines:
        if found := _RANKS_EXCEPTION.match(line):
            of_ranks[int(found[1])] = found[2]  # of chained ones the last, which was raised
    causes = {each: said for each, said in of_ranks.items() if not is_consequence(said)} or of_ranks
    if not causes:
        return rank, last_of_first_traceback(lines)
    first = rank if rank in causes else next(iter(causes))
    return first, causes[first]


def last_of_first_traceback(lines: list[str]) -> str | None:
    """The exception that ended the first rank to fail: of chained ones the last, which was raised."""
    said = None
    for line in lines:
        # torchrun's own exception only says that a rank failed.
        if (found := _EXCEPTION.match(line)) and "ChildFailedError" not in line:
            said = found[1]
        elif said and not (line.startswith((" ", "Traceback")) or not line.strip() or _CHAINED.search(line)):
            break
    return said


def signal_name(number: int) -> str:
    """SIGKILL for 9; the number where it has no name."""
    with contextlib.suppress(ValueError):
        return signal.Signals(number).name
    return f"signal {number}"
