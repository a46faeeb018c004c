"""Commands that are asked for something and waited for: none of them outlives whoever asked, however that ends.

In: command lines. Out: what they printed. Must not know what is asked.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType

PR_SET_PDEATHSIG = 1


def ending_with_parent() -> Callable[[], None] | None:
    """What Popen's preexec_fn shall be, so that the child is killed when the calling thread ends. None but on Linux.

    libc is loaded here, before the fork: between fork and exec nothing may be loaded.
    """
    if not sys.platform.startswith("linux"):
        return None
    libc = ctypes.CDLL(None, use_errno=True)
    parent = os.getpid()

    def in_child() -> None:
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it died before the line above
            os._exit(1)

    return in_child


def ask(
    command: Sequence[str], *, variables: Mapping[str, str] | None = None, timeout_s: float | None = None
) -> subprocess.CompletedProcess[str]:
    """Run one command to its end; it is killed where this is left by an exception, as of Ctrl-C.

    variables: its whole environment. Raises OSError, and subprocess.TimeoutExpired after timeout_s.
    """
    with Children() as children:
        return children.ask(command, variables=variables, timeout_s=timeout_s)


class Children:
    """Commands that threads run side by side. Leaving the context kills those that still run and starts no others."""

    def __init__(self) -> None:
        self._lock, self._closed = threading.Lock(), False
        self._running: set[subprocess.Popen[str]] = set()

    def ask(
        self,
        command: Sequence[str],
        *,
        variables: Mapping[str, str] | None = None,
        timeout_s: float | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """As the function of this name. Raises RuntimeError once the context is left."""
        child = self._started(command, variables)
        try:
            out, errors = child.communicate(timeout=timeout_s)
        finally:
            with self._lock:
                self._running.discard(child)
            _end(child)
        return subprocess.CompletedProcess(command, child.returncode, out, errors)

    def _started(self, command: Sequence[str], variables: Mapping[str, str] | None) -> subprocess.Popen[str]:
        with self._lock:
            if self._closed:
                raise RuntimeError("whoever asked has gone")
            child = subprocess.Popen(
                command,
                env=variables,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                encoding="utf-8",
                errors="replace",
                preexec_fn=ending_with_parent(),
            )
            self._running.add(child)
            return child

    def __enter__(self) -> Children:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._closed = True
            left = list(self._running)
        for child in left:
            child.kill()  # the thread that asked waits for its end


def _end(child: subprocess.Popen[str]) -> None:
    """Nothing where it has ended: communicate() has closed its pipes then."""
    if child.poll() is None:
        child.kill()
        child.wait()
    for pipe in (child.stdout, child.stderr):
        if pipe is not None:
            pipe.close()
