"""Fixtures of all tests: the command line as a user has it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import pytest
from places import in_turn
from running import command, environment, heeding_signals

# Said of tests that take long and whose subject other tests touch too.
LONG = "takes long: CI=true make test runs it, as .ci/run does"


# Files of whole sweeps, a minute or more each, first: one of these at the end would keep the other workers waiting.
# Those on a cluster stand apart, so that one worker after the other has them.
WHOLE_SWEEPS = (
    *(
        "slurm/test_starts.py",
        "models/test_models_on_a_node.py",
        "models/test_models_on_a_cpu.py",
        "sweep/test_end_to_end.py",
        "sweep/test_kill.py",
        "slurm/test_jobs.py",
        "emulated/test_sweep.py",
        "slurm/test_inherited.py",
    ),
    *("security/test_run_directory.py", "security/test_current_directory.py"),
    *("benchmarks/test_fidelity.py", "modes/test_contexts.py"),
)


# Tests on a cluster wait for it most of their time. So there may be a worker more than tests at once beside them.
ON_A_CLUSTER, AT_ONCE = "slurm/", 2


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", f"long: {LONG}")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    # Stable: all else stays in its order.
    order = {name: place for place, name in enumerate(WHOLE_SWEEPS)}
    items.sort(key=lambda item: order.get(_within_tests(item.path), len(order)))
    if os.environ.get("CI") != "true":
        for item in items:
            if item.get_closest_marker("long"):
                item.add_marker(pytest.mark.skip(reason=LONG))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    if not hasattr(item.config, "workerinput") or _within_tests(item.path).startswith(ON_A_CLUSTER):
        return (yield)
    # Of a worker it lies within the controller's, which all of them have.
    with in_turn(Path(item.config.option.basetemp).parent / "places", AT_ONCE):
        return (yield)


def _within_tests(path: Path) -> str:
    return path.relative_to(Path(__file__).parent).as_posix()


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
