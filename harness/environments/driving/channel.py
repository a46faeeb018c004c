"""A process that is asked in lines and answers in lines, on pipes that nothing else is written to.

In: a command line, requests. Out: answers, or DriverError that says how it failed. Must not know what is asked.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from harness.core import schema
from harness.core.processes.ends_with_parent import ending_with_parent
from harness.environments.driving.task import DriverError

# Of what it prints, so much is kept; of an answer, so much is read.
LONGEST_LOG, LONGEST_ANSWER = 2**16, 2**26
LONGEST_QUOTE = 200
# How often whoever waits is told so, and it is looked whether the process is still there.
LOOK_S = 1.0
# For so long a process that closed its pipe, or was told to end, may take to end.
LEAVE_S = 5.0


class Channel:
    """The process, its two pipes, and the end of what it prints to its standard output and error, which is read while
    an answer is waited for and never holds up anything."""

    def __init__(
        self,
        command: Sequence[str],
        variables: Mapping[str, str],
        cores: Sequence[int] | None,
        while_waiting: Callable[[], None],
    ) -> None:
        """cores: of all its threads; None for those of this thread. Raises DriverError where it cannot be started."""
        self._while_waiting = while_waiting
        self._printed, self._heard = b"", b""
        self._why_closed = ""
        theirs_in, self._requests = os.pipe()
        self._answers, theirs_out = os.pipe()
        try:
            self._process = subprocess.Popen(
                [*command, str(theirs_in), str(theirs_out)],
                env=dict(variables),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                pass_fds=(theirs_in, theirs_out),
                start_new_session=True,  # Ctrl-C is this process's, which ends the other
                preexec_fn=_in_child(cores),
            )
        except (OSError, subprocess.SubprocessError) as error:
            os.close(self._requests)
            os.close(self._answers)
            why = (error.strerror if isinstance(error, OSError) else None) or str(error)
            raise DriverError(schema.FAILED, f"{command[0]} cannot be started: {why}") from None
        finally:
            os.close(theirs_in)
            os.close(theirs_out)
        assert self._process.stdout is not None
        self._output = self._process.stdout.fileno()
        os.set_blocking(self._output, False)
        os.set_blocking(self._answers, False)

    @property
    def alive(self) -> bool:
        return not self._why_closed

    @property
    def pid(self) -> int:
        return self._process.pid

    def ask(self, request: Mapping[str, Any], timeout_s: float) -> dict[str, Any]:
        """Raises DriverError: where the process dies, hangs, or answers what is no answer, it is ended."""
        if self._why_closed:
            raise DriverError(schema.FAILED, self._why_closed)
        try:
            _write_all(self._requests, json.dumps(request).encode("ascii") + b"\n")
        except OSError:
            raise self._died() from None
        line = self._line(time.monotonic() + timeout_s)
        if line is None:
            said = f"no answer within {timeout_s:g} s"
            raise self._closed(schema.TIMEOUT, said + self._last_words())
        try:
            answer = json.loads(line)
        except (ValueError, RecursionError):
            answer = None
        if not isinstance(answer, dict):
            quote = ascii(line[:40].decode("utf-8", "replace"))
            raise self._closed(schema.FAILED, f"it answered what is no answer: {quote}")
        return answer

    def close(self) -> None:
        """Have it end: it does when its requests end; else it is killed."""
        if not self._why_closed:
            self._why_closed = "it was closed"
            os.close(self._requests)
            self._wait(LEAVE_S)
            self._end()

    def _line(self, deadline: float) -> bytes | None:
        """The next answer; None where the time is over. Asleep meanwhile but for LOOK_S. Raises DriverError."""
        poll = select.poll()
        for each in (self._answers, self._output):
            poll.register(each, select.POLLIN)
        told = time.monotonic()
        while True:
            left = deadline - time.monotonic()
            if left <= 0:
                return None
            ready = {fd for fd, _ in poll.poll(1000 * min(left, LOOK_S))}
            if self._output in ready and not self._read_output():
                poll.unregister(self._output)
            if self._answers in ready:
                more = os.read(self._answers, 2**16)
                self._heard += more
                line, newline, rest = self._heard.partition(b"\n")
                if newline:
                    self._heard = rest
                    return line
                if not more:
                    raise self._died()
                if len(self._heard) > LONGEST_ANSWER:
                    raise self._closed(schema.FAILED, f"an answer of more than {LONGEST_ANSWER >> 20} MiB")
            elif not ready and self._process.poll() is not None:
                raise self._died()  # something that it started holds its pipe
            if time.monotonic() - told >= LOOK_S:
                told = time.monotonic()
                self._while_waiting()

    def _read_output(self) -> bool:
        """Keep the end of what is there to be read; whether there can be more."""
        try:
            more = os.read(self._output, LONGEST_LOG)
        except BlockingIOError:
            return True
        except OSError:
            return False
        self._printed = (self._printed + more)[-LONGEST_LOG:]
        return bool(more)

    def _died(self) -> DriverError:
        status = self._wait(LEAVE_S)
        if status is None:
            how = "it closed its pipe"
        elif status < 0:
            how = f"it was ended by {_signal_name(-status)}"
            how += ", perhaps for want of memory" if -status == signal.SIGKILL else ""
        else:
            how = f"it exited with status {status}"
        return self._closed(schema.FAILED, how + self._last_words())

    def _last_words(self) -> str:
        """The last line that it printed, to be quoted; empty where there is none."""
        with contextlib.suppress(ValueError):
            while self._read_output() and select.select([self._output], [], [], 0)[0]:
                pass
        lines = [line.strip() for line in self._printed.decode("utf-8", "replace").splitlines()]
        last = next((line for line in reversed(lines) if line), "")
        return f": {last[-LONGEST_QUOTE:]}" if last else ""

    def _closed(self, status: str, why: str) -> DriverError:
        self._why_closed = why
        os.close(self._requests)
        self._end()
        return DriverError(status, why)

    def _end(self) -> None:
        """With all that it has started in its session."""
        if self._process.poll() is None:
            with contextlib.suppress(OSError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.kill()
            self._process.wait()
        os.close(self._answers)
        assert self._process.stdout is not None
        self._process.stdout.close()

    def _wait(self, seconds: float) -> int | None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self._process.wait(seconds)
        return None


def _in_child(cores: Sequence[int] | None) -> Callable[[], None] | None:
    """Between fork and exec: end with the parent; keep to some cores, before there is any thread."""
    ending = ending_with_parent()
    if cores is None:
        return ending

    def in_child() -> None:
        if ending is not None:
            ending()
        os.sched_setaffinity(0, cores)

    return in_child


def _write_all(fd: int, data: bytes) -> None:
    while data:
        data = data[os.write(fd, data) :]


def _signal_name(number: int) -> str:
    with contextlib.suppress(ValueError):
        return signal.Signals(number).name
    return f"signal {number}"
