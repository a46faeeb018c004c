"""Small commands run as sessions, in place of torchrun, under a clock that the test moves."""

from __future__ import annotations

import contextlib
import io
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
from running import python_path

from harness.launch.run import Ending, run_session

# What the small commands begin with: sending messages, starting a child that sleeps, waiting for a word of the test's.
PRELUDE = """
import os, subprocess, sys, time
from harness.session.progress import Sender
sender = Sender()
def child():
    return subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
def wait_for(path):
    while not os.path.exists(path):
        time.sleep(0.02)
"""

# Longest time without progress, and until the first rank is ready: by the session's clock, which stands still.
TIMEOUT_S, STARTUP_S = 100, 1000
# By the wall clock, far more than any of them takes; and a time that no test comes to.
STUCK_S, NEVER_S = 120, 10**9


class Session:
    """Runs small commands as sessions and keeps what was seen. now: its clock, in seconds; moved by the test alone."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log: Any = io.StringIO()  # a Log
        self.events: list[dict[str, Any]] = []
        self.now = 0.0

    def run(
        self,
        code: str,
        *,
        on_event: Callable[[dict[str, Any]], object] = lambda message: None,
        on_tick: Callable[[], None] = lambda: None,
    ) -> Ending:
        """on_event, on_tick: called with each message, once it is kept, and each time that the display is due."""
        return self.run_command([sys.executable, "-u", "-c", PRELUDE + code], on_event, on_tick)

    def run_command(
        self,
        command: list[str],
        on_event: Callable[[dict[str, Any]], object] = lambda message: None,
        on_tick: Callable[[], None] = lambda: None,
    ) -> Ending:
        def keep(message: dict[str, Any]) -> None:
            self.events.append(message)
            on_event(message)

        stuck = time.monotonic() + STUCK_S
        return run_session(
            command,
            {"PYTHONPATH": python_path(), "FROM_THE_LAUNCHER": "yes", "TMPDIR": str(self.folder)},
            self.log,
            timeout_s=TIMEOUT_S,
            startup_timeout_s=STARTUP_S,
            on_event=keep,
            on_tick=on_tick,
            # A watch that misses what the test does ends all the same.
            clock=lambda: self.now if time.monotonic() < stuck else NEVER_S,
        )

    def passes(self, seconds: float) -> None:
        self.now += seconds

    def kill(self, pid: int) -> None:
        with contextlib.suppress(psutil.NoSuchProcess):
            psutil.Process(pid).kill()

    def assert_gone(self, *pids: int) -> None:
        for pid in pids:
            assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
        assert not list(self.folder.glob("harness-*")), "its own folders are removed"
