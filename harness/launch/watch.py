"""The watch over one session: an event loop over its output, its ranks' messages, its end and its time limit.

In: the session's processes and how they are reached. Out: messages handed on, lines in the log, and whether it ran into
its time limit. Must not know what is measured, nor how its processes are started or ended.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import subprocess
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import IO, Any, Protocol

from harness.launch.processes import Processes
from harness.launch.reach import Reach
from harness.session.messages import rank_of
from harness.session.progress import Listener

# The event loop wakes this often for the progress display when nothing else happens.
DISPLAY_EVERY_S = 0.5
# Once the command has ended, the time that its output may stay open.
OUTPUT_GRACE_S = 5.0
# Lines of output kept to find the cause of a failure in.
KEPT_LINES = 400


class Log(Protocol):
    """Where the output of a session's processes goes."""

    def write(self, text: str, /) -> object: ...

    def flush(self) -> object: ...


@dataclass(frozen=True)
class Limits:
    """How long a session may be silent, in seconds, before and after its first rank is ready.

    clock: seconds that never go back.
    """

    timeout_s: float
    startup_timeout_s: float
    clock: Callable[[], float]


@dataclass
class Watch:
    """The state of the event loop. on_event: called with each message of the ranks; log: where output goes.

    last_lines: what was put into the log last; started: whether a rank has been ready.
    """

    processes: Processes
    reach: Reach
    limits: Limits
    log: Log
    on_event: Callable[[dict[str, Any]], None]
    last_lines: deque[str] = field(default_factory=lambda: deque(maxlen=KEPT_LINES))
    started: bool = False
    _rest: bytes = field(default=b"", init=False)
    _gone_since: float | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self._deadline = self.limits.clock() + self.limits.startup_timeout_s
        os.set_blocking(self._output.fileno(), False)

    @property
    def _output(self) -> IO[bytes]:
        assert self.processes.command.stdout is not None
        return self.processes.command.stdout

    def until_end(self, listener: Listener, on_tick: Callable[[], None]) -> bool:
        """Wait for the session's end; answers whether it ran into its time limit first.

        on_tick: called at least every DISPLAY_EVERY_S.
        """
        with selectors.DefaultSelector() as selector:
            selector.register(self._output, selectors.EVENT_READ)
            selector.register(listener.socket, selectors.EVENT_READ)
            while True:
                ready = {key.fileobj for key, _ in selector.select(timeout=DISPLAY_EVERY_S)}
                if listener.socket in ready:
                    self._hear_messages(listener)
                if self._output in ready and not self._read_lines():
                    return not self._ends_in_time()
                on_tick()
                if (timed_out := self._look_at_time()) is not None:
                    return timed_out

    def log_stacks(self) -> None:
        """Have every rank write to the log where it hangs."""
        for heading in self.reach.ask_for_stacks(self.processes.ranks):
            for line in (heading.encode(), *(self._output.read() or b"").split(b"\n")):
                self._keep(line)

    def _look_at_time(self) -> bool | None:
        """Whether it is over because of the time limit, or as it has ended; None while it goes on."""
        now = self.limits.clock()
        if self.processes.command.poll() is None:
            return True if now > self._deadline else None
        # Its ranks end with it and close the output; should something else hold it open, go on.
        self._gone_since = now if self._gone_since is None else self._gone_since
        return False if now > self._gone_since + OUTPUT_GRACE_S else None

    def _ends_in_time(self) -> bool:
        """All of the session's processes have closed the output: the command is about to end."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.processes.command.wait(timeout=self.limits.timeout_s)
            return True
        return False

    def _hear_messages(self, listener: Listener) -> None:
        for pid, message in listener.receive():
            if self.processes.has(pid):
                self._heard(message, pid)

    def _heard(self, message: dict[str, Any], pid: int = 0) -> None:
        """pid: who sent it, as the kernel knows it; 0 if it came as a line of output."""
        if message.get("event") != "hello":
            self.started = True  # whatever else a rank says, it says when it is ready
        # Whom the message names is nobody's word: the rank is who sent it.
        elif (rank := rank_of(message)) is not None:
            self.processes.note_rank(rank, pid)
        if self.started:
            self._deadline = self.limits.clock() + self.limits.timeout_s
        self.on_event(message)

    def _read_lines(self) -> bool:
        """Take what the output holds; answers whether it is still open."""
        data = self._output.read()
        if not data:
            self._keep(self._rest)
            return False
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._keep(line)
        return True

    def _keep(self, line: bytes) -> None:
        if not line:
            return
        messages, text = self.reach.hear(line.decode(errors="replace"))
        for message in messages:
            self._heard(message)
        if text is not None:
            self.last_lines.append(text)
            self.log.write(text + "\n")
            self.log.flush()
