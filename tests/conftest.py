"""Fixtures of all tests: the command line as a user has it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from running import command, environment, heeding_signals

# Said of tests that take long and whose subject other tests touch too.
LONG = "takes long: CI=true make test runs it, as .ci/run does"


# Files of whole sweeps, a minute or more each. Two workers take a file each in this order: one of these at the end
# would keep one of them waiting.
WHOLE_SWEEPS = (
    *(
        "slurm/test_jobs.py",
        "slurm/test_starts.py",
        "test_kill.py",
        "slurm/test_inherited.py",
        "emulated/test_sweep.py",
        "test_end_to_end.py",
    ),
    *("security/test_run_directory.py", "security/test_current_directory.py"),
)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", f"long: {LONG}")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    # Stable: all else stays in its order.
    items.sort(key=lambda item: not item.path.as_posix().endswith(WHOLE_SWEEPS))
    if os.environ.get("CI") != "true":
        for item in items:
            if item.get_closest_marker("long"):
                item.add_marker(pytest.mark.skip(reason=LONG))


Harness = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def harness(tmp_path: Path) -> Harness:
    """Run the command line in an empty folder and answer what it printed and its exit status."""

    def run(*arguments: str, timeout: float = 240, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command(*arguments),
            cwd=tmp_path,
            env={**environment(), **variables},
            capture_output=True,
            text=True,
            timeout=timeout,
        )

    return run


@pytest.fixture(autouse=True, scope="session")
def state_of_its_own(tmp_path_factory: pytest.TempPathFactory) -> None:
    """What sweeps learn of the machine is kept with the tests, and not for this user."""
    os.environ["XDG_STATE_HOME"] = str(tmp_path_factory.mktemp("state"))


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start the command line and go on; whatever still runs at the end of the test is ended."""
    started: list[subprocess.Popen[str]] = []

    def run(*arguments: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            command(*arguments),
            cwd=tmp_path,
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            preexec_fn=heeding_signals,
        )
        started.append(process)
        return process

    yield run
    for process in started:
        if process.poll() is None:
            process.kill()
        process.wait()
        if process.stdout:
            process.stdout.close()
