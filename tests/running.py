"""The command line as a user has it, in a process of its own, and a look at what it leaves behind."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

TESTS = Path(__file__).resolve().parent


def one_quick(*values: Any) -> list[Any]:
    """Values of a test's parameter, tuples of several: the first is always tried, the others in long tests."""
    others = (value if isinstance(value, tuple) else (value,) for value in values[1:])
    return [values[0], *(pytest.param(*value, marks=pytest.mark.long) for value in others)]


def environment() -> dict[str, str]:
    """The environment of the tests, in which plugins of the tests can be imported and output is plain."""
    path = os.pathsep.join(filter(None, [str(TESTS), os.environ.get("PYTHONPATH", "")]))
    return {**os.environ, "PYTHONPATH": path, "COLUMNS": "200", "NO_COLOR": "1"}


def python_path() -> str:
    """PYTHONPATH under which a child of a test imports this very harness, installed or not."""
    return os.pathsep.join(filter(None, [str(TESTS.parent), os.environ.get("PYTHONPATH", "")]))


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "harness", *arguments]


def heeding_signals() -> None:
    """What Popen's preexec_fn shall be: tests that run in the background may have been started with SIGINT ignored."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def session_processes(run: Path) -> list[psutil.Process]:
    """Processes that work for a run directory: torchrun and its ranks name it on their command line."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"] or []
        if any(str(run / "sessions") in word for word in words) and process.status() != psutil.STATUS_ZOMBIE:
            found.append(process)
    return found


def wait_until(condition: Callable[[], object], what: str, seconds: float = 60) -> None:
    """Wait for something to become true; fail the test, naming it, if it does not."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            pytest.fail(f"not within {seconds:g} s: {what}")
        time.sleep(0.05)
