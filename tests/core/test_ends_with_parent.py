"""Processes end with the one that started them, also when that is killed by kill -9."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from running import python_path

from harness.core.processes.ends_with_parent import LAUNCHER_PID

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="PR_SET_PDEATHSIG is Linux's")

ENVIRONMENT = {**os.environ, "PYTHONPATH": python_path()}

# The parent starts a child with ending_with_parent, tells its number, and sleeps.
STARTS_A_CHILD_THAT_ENDS_WITH_IT = """
import subprocess, sys, time
from harness.core.processes.ends_with_parent import ending_with_parent
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], preexec_fn=ending_with_parent())
print(child.pid, flush=True)
time.sleep(600)
"""

# A launcher starts a torchrun, which starts a rank in a session of its own, as torchrun does.
LAUNCHER = """
import os, subprocess, sys, time
from harness.core.processes.ends_with_parent import LAUNCHER_PID, ending_with_parent
middle = '''
import subprocess, sys, time
subprocess.Popen([sys.executable, "-c", sys.argv[1]], start_new_session=True)
time.sleep(600)
'''
rank = '''
import os, time
from harness.core.processes.ends_with_parent import end_with_parent
end_with_parent()
print(os.getppid(), os.getpid(), flush=True)
time.sleep(600)
'''
subprocess.Popen([sys.executable, "-c", middle, rank], preexec_fn=ending_with_parent(), start_new_session=True,
                 env={**os.environ, LAUNCHER_PID: str(os.getpid())})
time.sleep(600)
"""


def start(code: str) -> tuple[subprocess.Popen[str], list[psutil.Process]]:
    """Start code and answer it with the processes below it that it names."""
    process = subprocess.Popen(
        [sys.executable, "-c", code], env=ENVIRONMENT, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    below = [psutil.Process(int(word)) for word in process.stdout.readline().split()]
    assert below
    return process, below


def assert_gone(processes: list[psutil.Process]) -> None:
    _, alive = psutil.wait_procs(processes, timeout=10)
    for process in alive:
        process.kill()
    assert not alive


def end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.wait()
    assert process.stdout is not None
    process.stdout.close()


def test_a_child_ends_with_its_killed_parent() -> None:
    parent, below = start(STARTS_A_CHILD_THAT_ENDS_WITH_IT)
    assert all(process.is_running() for process in below)
    end(parent)
    assert_gone(below)


def test_a_rank_in_a_session_of_its_own_ends_with_the_killed_launcher() -> None:
    launcher, below = start(LAUNCHER)
    assert len(below) == 2
    end(launcher)
    assert_gone(below)


def test_a_rank_ends_with_its_killed_torchrun() -> None:
    launcher, (torchrun, rank) = start(LAUNCHER)
    try:
        torchrun.kill()
        assert_gone([rank])
        assert launcher.poll() is None
    finally:
        end(launcher)


def run_rank(**variables: str) -> subprocess.CompletedProcess[str]:
    code = "from harness.core.processes.ends_with_parent import end_with_parent; end_with_parent(); print('goes on')"
    return subprocess.run(
        [sys.executable, "-c", code], env={**ENVIRONMENT, **variables}, capture_output=True, text=True
    )


def test_a_rank_that_starts_after_its_launcher_has_gone_ends_at_once() -> None:
    """The launcher may be killed between torchrun's start of a rank and the rank's first line."""
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    done = run_rank(**{LAUNCHER_PID: str(gone.pid)})
    assert (done.returncode, done.stdout) == (1, "")


def test_a_rank_whose_launcher_is_there_goes_on() -> None:
    """The launcher is the parent of the rank's parent: of this process."""
    done = run_rank(**{LAUNCHER_PID: str(os.getppid())})
    assert (done.returncode, done.stdout) == (0, "goes on\n")


def test_a_rank_started_by_hand_goes_on() -> None:
    assert run_rank().stdout == "goes on\n"


def test_names_with_parentheses_and_spaces_do_not_mislead(tmp_path: Path) -> None:
    """/proc/PID/stat holds the program's name, whatever that is."""
    program = tmp_path / "a) 1 (b"
    program.symlink_to("/bin/sleep")
    process = subprocess.Popen([str(program), "600"])
    try:
        from harness.core.processes.ends_with_parent import parent_of

        deadline = time.monotonic() + 10
        while psutil.Process(process.pid).name() != program.name and time.monotonic() < deadline:
            time.sleep(0.01)
        assert parent_of(process.pid) == os.getpid()
    finally:
        process.kill()
        process.wait()
    assert parent_of(process.pid) is None
