"""Signals that end a sweep in good order, and with what status.

In: signals. Out: an exception where the sweep stands, so that every clean-up is done. Must not know what is measured.
"""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from types import FrameType

# What a batch script that forwards a signal to the harness requeues the job for (slurm/run.sh); EX_TEMPFAIL of
# sysexits.h: what could not be done now can be done later.
REQUEUE_STATUS = 75


class Interrupted(Exception):
    """The sweep was asked to end by a signal; what is measured stays.

    requeue: whether the batch script shall have SLURM start the job again, which then goes on.
    """

    def __init__(self, number: int, *, requeue: bool = False, reason: str = "") -> None:
        super().__init__(reason or signal.Signals(number).name)
        self.exit_status = REQUEUE_STATUS if requeue else 128 + number


@contextlib.contextmanager
def signals_raise(requeue: bool) -> Iterator[None]:
    """Within: SIGINT, SIGTERM and SIGHUP raise Interrupted, so that every clean-up is done.

    requeue: within a job, where SIGTERM and SIGUSR1 announce that its time is up or its nodes are wanted.
    """

    def stop(number: int, frame: FrameType | None) -> None:
        for each in before:  # once only: a second Ctrl-C must not break off the clean-up
            signal.signal(each, signal.SIG_IGN)
        raise Interrupted(number, requeue=requeue and number in (signal.SIGTERM, signal.SIGUSR1))

    watched = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, *([signal.SIGUSR1] if requeue else []))
    before = {number: signal.signal(number, stop) for number in watched}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
