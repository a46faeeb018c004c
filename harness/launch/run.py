"""Start one session with torchrun, watch it, and end it without leaving a process behind.

In: a session's file. Out: how the session ended. Must not know what is measured or how it is recorded;
progress comes as messages that are handed on. Processes on other machines are reached by what a Reach knows.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import shlex
import signal
import subprocess
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import psutil

from ground.private import private_folder
from harness.core.processes.children import path_variables, python_module
from harness.core.processes.ends_with_parent import LAUNCHER_PID, tether_child
from harness.launch.cause_of_death import cause_of_death
from harness.session.messages import rank_of
from harness.session.progress import CREDENTIALS, SOCKET_PATH, Listener

# How often torchrun looks whether a rank has died. It sleeps in between.
TORCHRUN_LOOKS_EVERY_S = 0.25
# The event loop wakes this often for the progress display when nothing else happens.
DISPLAY_EVERY_S = 0.5
# What each hanging rank is given to write down where it is, before it is killed.
STACKS_S = 0.2
# The same for all ranks of all nodes together.
REMOTE_STACKS_S = 2.0
# Once torchrun has ended, the time that its output may stay open.
OUTPUT_GRACE_S = 5.0
# Killed processes are gone within this time, or the kernel holds on to them.
KILLED_WITHIN_S = 10.0
# Lines of output kept to find the cause of a failure in.
KEPT_LINES = 400

FINISHED, DIED, TIMED_OUT = "finished", "died", "timed out"


@dataclass(frozen=True)
class Ending:
    """How a session ended: finished, died or timed out; and why, in one line, if it did not finish.

    killed: a signal from outside ended it, so whatever its ranks said last was a consequence.
    """

    how: str
    reason: str = ""
    killed: bool = False


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
    return ["--no-python", *python_module("harness.worker.visits", str(folder / "session.json"))]


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


def run_session(
    command: list[str],
    variables: dict[str, str],
    log: Log,
    *,
    timeout_s: float,
    startup_timeout_s: float,
    on_event: Callable[[dict[str, Any]], None],
    on_tick: Callable[[], None],
    reach: Reach | None = None,
) -> Ending:
    """Run a session to its end and answer how it ended.

    log: where its processes' output goes.
    timeout_s: longest time without a sign of progress from rank to launcher; startup_timeout_s: the same
    until the first rank is ready. on_event: called with each message of the ranks; on_tick: at least
    every DISPLAY_EVERY_S. reach: where the ranks run elsewhere, how to deal with them. However this function
    is left, by return or by an exception such as KeyboardInterrupt, no process of the session is left alive.
    """
    with contextlib.ExitStack() as kept:
        listener = kept.enter_context(contextlib.closing(Listener()))
        environment = {
            **os.environ,
            **variables,
            SOCKET_PATH: str(listener.path),
            LAUNCHER_PID: str(os.getpid()),
        }
        if reach is None:  # elsewhere, each node has its own
            environment |= temporary_variables(kept.enter_context(private_folder("ranks")))
        process = subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=tether_child(),
        )
        watch = _Watch(process, time.monotonic() + startup_timeout_s, timeout_s, on_event, reach)
        try:
            timed_out = _watch(watch, listener, log, on_tick)
            if timed_out:
                _ask_for_stacks(watch, log)
        finally:
            _end_all(watch)
    if timed_out:
        phase = f"no progress for {timeout_s:g} s (timeout_s)"
        if not watch.started:
            phase = f"ranks not ready after {startup_timeout_s:g} s (launcher.startup_timeout_s)"
        return Ending(TIMED_OUT, phase)
    if process.returncode == 0:
        return Ending(FINISHED)
    told = reach.cause_of_death if reach else cause_of_death
    reason, killed = told(list(watch.last_lines), process.returncode)
    return Ending(DIED, reason, killed)


def _watch(
    watch: _Watch,
    listener: Listener,
    log: Log,
    on_tick: Callable[[], None],
) -> bool:
    """Wait for output, messages and the end; answers whether the session ran into its time limit."""
    assert watch.process.stdout is not None
    output = watch.process.stdout
    os.set_blocking(output.fileno(), False)
    rest = b""
    with selectors.DefaultSelector() as selector:
        selector.register(output, selectors.EVENT_READ)
        selector.register(listener.socket, selectors.EVENT_READ)
        while True:
            ready = {key.fileobj for key, _ in selector.select(timeout=DISPLAY_EVERY_S)}
            if listener.socket in ready:
                for pid, message in listener.receive():
                    if _is_own(watch, pid):
                        _heard(watch, message, pid)
            if output in ready:
                data = output.read()
                if not data:  # all of the session's processes have closed it
                    _keep(watch, log, rest)
                    with contextlib.suppress(subprocess.TimeoutExpired):
                        watch.process.wait(timeout=watch.timeout_s)
                        return False
                    return True
                *lines, rest = (rest + data).split(b"\n")
                for line in lines:
                    _keep(watch, log, line)
            on_tick()
            now = time.monotonic()
            if watch.process.poll() is not None:
                # Its ranks end with it and close the output; should something else hold it open, go on.
                watch.gone_since = watch.gone_since or now
                if now > watch.gone_since + OUTPUT_GRACE_S:
                    return False
            elif now > watch.deadline:
                return True


def _is_own(watch: _Watch, pid: int) -> bool:
    """Whether a message came from the session: from the process that was started, or one that descends from it."""
    if not CREDENTIALS:
        return True
    with contextlib.suppress(psutil.Error):
        started = watch.process.pid
        if pid == started or (
            pid not in watch.own and any(above.pid == started for above in psutil.Process(pid).parents())
        ):
            watch.own.add(pid)
    return pid in watch.own


def _heard(watch: _Watch, message: dict[str, Any], pid: int = 0) -> None:
    _note(watch, message, pid)
    if watch.started:
        watch.deadline = time.monotonic() + watch.timeout_s
    watch.on_event(message)


def _note(watch: _Watch, message: dict[str, Any], pid: int) -> None:
    if message.get("event") != "hello":
        watch.started = True  # whatever else a rank says, it says when it is ready
        return
    rank = rank_of(message)
    # Whom the message names is nobody's word: the rank is who sent it.
    if rank is not None and pid in watch.own:
        with contextlib.suppress(psutil.NoSuchProcess):
            watch.ranks[rank] = psutil.Process(pid)


def _keep(watch: _Watch, log: Log, line: bytes) -> None:
    if line:
        text: str | None = line.decode(errors="replace")
        if watch.reach:
            messages, text = watch.reach.hear(line.decode(errors="replace"))
            for message in messages:
                _heard(watch, message)
        if text is None:
            return
        watch.last_lines.append(text)
        log.write(text + "\n")
        log.flush()


def _ask_for_stacks(watch: _Watch, log: Log) -> None:
    """Have every rank write to the log where it hangs (faulthandler on SIGUSR1), one after the other."""
    assert watch.process.stdout is not None
    if watch.reach:
        watch.reach.ask_for_stacks()
        time.sleep(REMOTE_STACKS_S)
        for line in (watch.process.stdout.read() or b"").split(b"\n"):
            _keep(watch, log, line)
    for number, rank in sorted(watch.ranks.items()):
        with contextlib.suppress(psutil.NoSuchProcess, OSError):
            rank.send_signal(signal.SIGUSR1)
            time.sleep(STACKS_S)
            _keep(watch, log, f"rank {number} is here:".encode())
            for line in (watch.process.stdout.read() or b"").split(b"\n"):
                _keep(watch, log, line)


def _end_all(watch: _Watch) -> None:
    """Kill whatever of the session still lives. Nothing is lost: every record was written when it arose."""
    victims: list[psutil.Process] = list(watch.ranks.values())
    with contextlib.suppress(psutil.NoSuchProcess):
        torchrun = psutil.Process(watch.process.pid)
        victims += torchrun.children(recursive=True)
    if watch.reach:
        watch.reach.end(watch.process)
    if watch.process.poll() is None:
        watch.process.kill()
    for victim in victims:
        # psutil compares the start time, so a number that was given to another process is left alone.
        with contextlib.suppress(psutil.NoSuchProcess):
            victim.kill()
    watch.process.wait()
    end = time.monotonic() + KILLED_WITHIN_S
    while any(map(_lives, victims)) and time.monotonic() < end:
        time.sleep(0.02)
    if watch.process.stdout is not None:
        watch.process.stdout.close()


def _lives(process: psutil.Process) -> bool:
    """Whether a process still runs. A zombie does not: where process 1 reaps none, it stays for ever."""
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
