"""One session from its start to its end, without leaving a process behind.

In: the command of a session, and how its processes are reached. Out: how it ended. Must not know what is measured or
how it is recorded; progress comes as messages that are handed on.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.core.processes.ends_with_parent import LAUNCHER_PID, ending_with_parent
from harness.core.processes.interrupt import ENDING, heeded
from harness.core.spoilers import for_ranks
from harness.launch.local_reach import LOCAL
from harness.launch.processes import Processes
from harness.launch.reach import Reach
from harness.launch.watch import Limits, Log, Watch
from harness.session.progress import SOCKET_PATH, Listener

# torchrun ends its ranks at these, and would also at those that nohup has had ignored.
TORCHRUN_HEEDS = "TORCHELASTIC_SIGNALS_TO_HANDLE"

FINISHED, DIED, TIMED_OUT = "finished", "died", "timed out"


@dataclass(frozen=True)
class Ending:
    """How a session ended: finished, died or timed out; and why, in one line, if it did not finish.

    killed: a signal from outside ended it, so whatever its ranks said last was a consequence.
    """

    how: str
    reason: str = ""
    killed: bool = False


def run_session(
    command: list[str],
    variables: Mapping[str, str],
    log: Log,
    *,
    timeout_s: float,
    startup_timeout_s: float,
    on_event: Callable[[dict[str, Any]], None],
    on_tick: Callable[[], None],
    reach: Reach = LOCAL,
    inherited: Mapping[str, str] = os.environ,
    clock: Callable[[], float] = time.monotonic,
) -> Ending:
    """Run a session to its end and answer how it ended.

    variables: those of the command, beside what is inherited.
    log: where its processes' output goes.
    timeout_s: longest time without a sign of progress from rank to launcher; startup_timeout_s: the same until the
    first rank is ready; clock: what both are measured by, in seconds.
    on_event: called with each message of the ranks; on_tick: every now and then (harness.launch.watch).
    reach: how to deal with its ranks. However this function is left, by return or by an exception such as
    KeyboardInterrupt, no process of the session is left alive. Raises OSError if the command cannot be started.
    """
    limits = Limits(timeout_s, startup_timeout_s, clock)
    with contextlib.closing(Listener()) as listener, reach.variables() as of_reach:
        process = _started(command, {**for_ranks(inherited), **variables, **of_reach}, listener.path)
        processes = Processes(process)
        try:
            watch = Watch(processes, reach, limits, log, on_event)
            timed_out = watch.until_end(listener, on_tick)
            if timed_out:
                watch.log_stacks()
        finally:
            family = processes.family()
            reach.end(process)
            processes.kill(family)
    if timed_out:
        return Ending(TIMED_OUT, _limit_reached(limits, watch.started))
    if process.returncode == 0:
        return Ending(FINISHED)
    return Ending(DIED, *reach.cause_of_death(list(watch.last_lines), process.returncode))


def _started(command: list[str], environ: Mapping[str, str], path: Path) -> subprocess.Popen[bytes]:
    """path: where the launcher listens."""
    return subprocess.Popen(
        command,
        env={
            **environ,
            SOCKET_PATH: str(path),
            LAUNCHER_PID: str(os.getpid()),
            TORCHRUN_HEEDS: ",".join(number.name for number in heeded(*ENDING, signal.SIGQUIT)),
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        preexec_fn=ending_with_parent(),
    )


def _limit_reached(limits: Limits, started: bool) -> str:
    if started:
        return f"no progress for {limits.timeout_s:g} s (timeout_s)"
    return f"ranks not ready after {limits.startup_timeout_s:g} s (launcher.startup_timeout_s)"
