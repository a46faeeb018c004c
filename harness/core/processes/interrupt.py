"""What SIGINT, SIGTERM and SIGHUP do, for every command and in every phase.

In: signals. Out: an exception where the program stands, so that every clean-up is done; its exit status, and the line
that tells of it. Must not know what is interrupted.
"""

from __future__ import annotations

import contextlib
import signal
import sys
import weakref
from collections.abc import Iterator
from types import FrameType

from harness.core.text import shown

# What a batch script that forwards a signal to the harness requeues the job for (slurm/run.sh); EX_TEMPFAIL of
# sysexits.h: what could not be done now can be done later.
REQUEUE_STATUS = 75
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupted(KeyboardInterrupt):
    """The program was asked to end by a signal. A KeyboardInterrupt, as which libraries hand it on.

    requeue: whether the batch script shall have SLURM start the job again, which then goes on. kept: what is there
    already and how to go on, set by whoever it comes past that knows.
    """

    def __init__(self, number: int, *, requeue: bool = False, reason: str = "", kept: str = "") -> None:
        super().__init__(reason or signal.Signals(number).name)
        self.exit_status = REQUEUE_STATUS if requeue else 128 + number
        self.kept = kept

    def line(self) -> str:
        """For people."""
        return f"ended by {self}" + (f"; {self.kept}" if self.kept else "")


class _Handler:
    """Raises Interrupted once: a second Ctrl-C must not break off the clean-up.

    Where the exception has come to nothing, as in a library that catches whatever there is, the next signal raises
    again.
    """

    def __init__(self, requeue: bool) -> None:
        self.requeue = requeue
        self.raised: weakref.ref[Interrupted] | None = None

    def __call__(self, number: int, frame: FrameType | None) -> None:
        if self.raised is not None and self.raised() is not None:
            return
        # No local name holds it: this frame is part of its traceback, and the two would keep each other.
        raise self._made(number)

    def _made(self, number: int) -> Interrupted:
        stop = Interrupted(number, requeue=self.requeue and number in (signal.SIGTERM, signal.SIGUSR1))
        self.raised = weakref.ref(stop)
        return stop


@contextlib.contextmanager
def signals_raise(requeue: bool = False) -> Iterator[None]:
    """Within: SIGINT, SIGTERM and SIGHUP raise Interrupted, but for those that were ignored at the program's start
    (nohup, a job in the background). To be called in the main thread; contexts may lie in each other.

    requeue: within a job, where SIGTERM and SIGUSR1 announce that its time is up or its nodes are wanted.
    """
    handler = _Handler(requeue)
    watched = heeded(*ENDING, *([signal.SIGUSR1] if requeue else []))
    before = {number: signal.signal(number, handler) for number in watched}
    try:
        yield
    except Exception as error:
        if stop := behind(error):
            raise stop from None
        raise
    finally:
        for number, outer in before.items():
            if isinstance(outer, _Handler) and handler.raised is not None:
                outer.raised = handler.raised
            signal.signal(number, outer)


def behind(error: BaseException) -> Interrupted | None:
    """The signal that an error came of: what it broke off, in a library's own clean-up say, fails of something else."""
    seen: list[BaseException] = []
    rest: list[BaseException | None] = [error]
    while rest:
        each = rest.pop()
        if isinstance(each, Interrupted):
            return each
        if each is not None and each not in seen:
            seen.append(each)
            rest += [each.__context__, each.__cause__]
    return None


def heeded(*numbers: signal.Signals) -> list[signal.Signals]:
    """Those of these signals that whoever started this process has not had it ignore."""
    return [number for number in numbers if signal.getsignal(number) not in (signal.SIG_IGN, None)]


def leave_to_parent() -> None:
    """In a process that was forked to help: it ends when its parent ends it, and says nothing of it."""
    for number in heeded(signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    for number in heeded(signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)


def tell_interrupted(line: str) -> None:
    """Print what became of the program, where it can be printed."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        print(f"harness: {shown(line)}", file=sys.stderr, flush=True)
