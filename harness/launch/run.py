"""One session from its start to its end, without leaving a process behind.

In: the command of a session, and how its processes are reached. Out: how it ended. Must not know what is measured or
how it is recorded; progress comes as messages that are handed on.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.core.processes.ends_with_parent import LAUNCHER_PID, tether_child
from harness.launch.local_reach import LOCAL
from harness.launch.processes import Processes
from harness.launch.reach import Reach
from harness.launch.watch import Limits, Log, Watch
from harness.session.progress import SOCKET_PATH, Listener

FINISHED, DIED, TIMED_OUT = "finished", "died", "timed out"


@dataclass(frozen=True)
class Ending:
    """How a session ended: finished, died or timed out; and why, in one line, if it did not finish.

    killed: a signal from outside ended it, so whatever its ranks said last was a consequence.
    """

    how: str
    reason: str = ""
    killed: bool = False


<<<<<<< HEAD
=======
class Log(Protocol):
    """Where the output of a session's processes goes."""

    def write(self, text: str, /) -> object: ...

    def flush(self) -> object: ...


class Reach(Protocol):
    """How the processes of a session are heard and ended that run where this process cannot see them."""

    def hear(self, line: str) -> tuple[list[dict[str, Any]], str | None]:
        """A line of the command's output to messages of the ranks, and what of it belongs into the log."""

    def ask_for_stacks(self) -> None:
        """Have every rank say where it is; the answers come as lines."""

    def end(self, process: subprocess.Popen[bytes]) -> None:
        """End the command and all that it has started anywhere."""

    def cause_of_death(self, lines: list[str], returncode: int) -> tuple[str, bool]:
        """As harness.launch.cause_of_death has it."""


def torchrun() -> list[str]:
    """How torchrun is called with this very Python."""
    return python_module("torch.distributed.run")


def rank_command(folder: Path) -> list[str]:
    """What torchrun starts as a rank of the session whose files are in `folder`, as its own last words.

    Not by torchrun's own `-m`, which would have the ranks import from the directory they are started in.
    """
    return ["--no-python", *python_module("harness.worker", str(folder / "session.json"))]


def torchrun_command(ranks: int, session_id: str, folder: Path) -> list[str]:
    """The command that starts a session whose files are in `folder`.

    The ranks of one node meet in a file: no port is opened for the rendezvous, so none can be taken by
    somebody else and nobody else can join.
    """
    return [
        *torchrun(),
        "--nnodes=1",
        f"--nproc-per-node={ranks}",
        "--rdzv-backend=c10d",
        f"--rdzv-endpoint={folder / 'rendezvous'}",
        "--rdzv-conf=store_type=file",
        f"--rdzv-id={session_id}",
        "--local-addr=localhost",
        "--max-restarts=0",
        f"--monitor-interval={TORCHRUN_LOOKS_EVERY_S}",
        f"--log-dir={folder / 'torchrun'}",
        *rank_command(folder),
    ]


def session_variables(threads: int) -> dict[str, str]:
    """Environment of a session on one node, besides what it inherits."""
    loopback = loopback_interface()
    return {
        # torchrun would start a store for the ranks that listens on every interface of the machine.
        "TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1",
        "GLOO_SOCKET_IFNAME": loopback,
        "NCCL_SOCKET_IFNAME": loopback,
        "OMP_NUM_THREADS": str(threads),
        "MKL_NUM_THREADS": str(threads),
        # Compiles in the rank itself, without helpers that would take cores from blocks.
        "TORCHINDUCTOR_COMPILE_THREADS": "1",
        **path_variables(),
        "PYTHONUNBUFFERED": "1",
    }


def temporary_variables(folder: Path) -> dict[str, str]:
    """Environment under which temporary files, and what is compiled, go to a folder that is new and this user's alone.

    New, because what an earlier run has compiled must not pass for compiling.
    """
    return {"TMPDIR": str(folder), "TORCHINDUCTOR_CACHE_DIR": str(folder / "compiled")}


def shell_line(command: list[str], variables: dict[str, str]) -> str:
    """The command as it can be pasted into a shell."""
    return shlex.join(["env", *(f"{name}={value}" for name, value in variables.items()), *command])


def loopback_interface() -> str:
    """Name of the interface that holds 127.0.0.1: lo on Linux, lo0 on macOS."""
    for name, addresses in psutil.net_if_addrs().items():
        if any(address.address == "127.0.0.1" for address in addresses):
            return str(name)
    return "lo"


@dataclass
class _Watch:
    """The state of the event loop of one session. own: process ids that are known to be of the session."""

    process: subprocess.Popen[bytes]
    deadline: float
    timeout_s: float
    on_event: Callable[[dict[str, Any]], None]
    reach: Reach | None = None
    ranks: dict[int, psutil.Process] = field(default_factory=dict)
    own: set[int] = field(default_factory=set)
    last_lines: deque[str] = field(default_factory=lambda: deque(maxlen=KEPT_LINES))
    started: bool = False
    gone_since: float | None = None


>>>>>>> 236ab88 (Measure a cell by preparation and rounds, with the ranks' agreement handed to both)
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
    clock: Callable[[], float] = time.monotonic,
) -> Ending:
    """Run a session to its end and answer how it ended.

    log: where its processes' output goes.
    timeout_s: longest time without a sign of progress from rank to launcher; startup_timeout_s: the same until the
    first rank is ready; clock: what both are measured by, in seconds.
    on_event: called with each message of the ranks; on_tick: every now and then (harness.launch.watch).
    reach: how to deal with its ranks. However this function is left, by return or by an exception such as
    KeyboardInterrupt, no process of the session is left alive. Raises OSError if the command cannot be started.
    """
    limits = Limits(timeout_s, startup_timeout_s, clock)
    with contextlib.closing(Listener()) as listener, reach.variables() as of_reach:
        process = _started(command, {**variables, **of_reach}, listener.path)
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


def _started(command: list[str], variables: Mapping[str, str], path: Path) -> subprocess.Popen[bytes]:
    """path: where the launcher listens."""
    return subprocess.Popen(
        command,
        env={**os.environ, **variables, SOCKET_PATH: str(path), LAUNCHER_PID: str(os.getpid())},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        preexec_fn=tether_child(),
    )


def _limit_reached(limits: Limits, started: bool) -> str:
    if started:
        return f"no progress for {limits.timeout_s:g} s (timeout_s)"
    return f"ranks not ready after {limits.startup_timeout_s:g} s (launcher.startup_timeout_s)"
