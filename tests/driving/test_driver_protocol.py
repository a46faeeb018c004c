"""A driver does what it is told, under every Python that there is, and nothing while it is not asked."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from other_pythons import TASK, Open, all_pythons, interpreter, with_module
from running import TESTS, wait_until

from harness.environments.driving.numbers import numbers_file
from harness.environments.driving.task import DriverError

RUN = """
import time
from other_pythons import interpreter
from harness.environments.driving.process import Driver
driver = Driver(interpreter())
print(driver._channel.pid, flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize("python", all_pythons(), ids=lambda path: Path(path).parents[1].name)
def test_every_python_prepares_the_same_and_times_blocks_of_it(opened: Open, python: str) -> None:
    driver = opened(interpreter(python=python))
    (outcome,) = driver.prepare(TASK)
    assert outcome == pytest.approx(expected(), rel=1e-6)
    assert driver.facts["python"].startswith("3.") and driver.facts["framework"] == "plain"
    before = time.monotonic_ns()
    block = driver.timed(steps=50, lead=3)
    assert block.steps == 50 and before < block.start_ns < block.end_ns < time.monotonic_ns()
    assert block.main_ns is not None and 0 < block.main_ns <= block.wall_ns * 1.5
    assert driver.warm(2e5, 0.2) >= 1


def expected() -> list[float]:
    """The MLP's output, in the plainest way."""
    import numpy as np

    numbers = np.fromfile(numbers_file(TASK), dtype="<f4").astype(float)
    values = numbers[6 * 5 + 5 + 5 * 3 + 3 :][: 2 * 6].reshape(2, 6)
    first, shift = numbers[:30].reshape(5, 6), numbers[30:35]
    last, end = numbers[35:50].reshape(3, 5), numbers[50:53]
    return list(np.ravel(np.maximum(values @ first.T + shift, 0) @ last.T + end))


def test_labels_come_last_and_are_classes() -> None:
    import numpy as np

    numbers = np.fromfile(numbers_file(TASK), dtype="<f4")
    assert len(numbers) == 53 + 12 + 2 and set(numbers[-2:]) <= {0.0, 1.0, 2.0}
    wide = np.fromfile(numbers_file(replace(TASK, dtype="float64")), dtype="<f8")
    assert wide.astype("<f4").tolist() == numbers.tolist()


def test_slots_hold_modes_side_by_side(opened: Open) -> None:
    driver = opened()
    one = driver.prepare(TASK, slot=1)
    other = driver.prepare(replace(TASK, seed=8), slot=2)
    assert one != other
    assert driver.block(5, 0, slot=1) > 0 and driver.block(5, 0, slot=2) > 0
    driver.forget(1)
    with pytest.raises(DriverError) as caught:
        driver.block(5, 0, slot=1)
    assert caught.value.status == "failed" and driver.alive
    assert driver.block(5, 0, slot=2) > 0


def test_it_sleeps_while_nobody_asks(opened: Open) -> None:
    driver = opened()
    driver.prepare(TASK)
    process = psutil.Process(driver._channel.pid)
    wait_until(lambda: process.status() == psutil.STATUS_SLEEPING, "the driver sleeps")
    before = process.cpu_times()
    time.sleep(0.3)
    assert process.cpu_times() == before


def test_what_it_prints_in_the_middle_harms_nothing(opened: Open) -> None:
    """More than a pipe holds, on both streams."""
    driver = opened(interpreter(PYTHONPATH=str(TESTS / "driving" / "printing")))
    for _ in range(3):
        assert driver.prepare(TASK) and driver.block(5, 1) > 0


def test_it_keeps_to_its_cores_and_threads(opened: Open) -> None:
    core = min(os.sched_getaffinity(0))
    driver = opened(cores=[core], threads=2)
    assert driver.facts["cores"] == str(core)
    assert "OMP_NUM_THREADS=2" in driver.facts["variables"]


def test_nothing_of_this_python_or_of_a_rank_is_handed_on(
    opened: Open, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("MALLOC_ARENA_MAX", "1")
    driver = opened()
    handed_on = psutil.Process(driver._channel.pid).environ()
    assert not {"PYTHONPATH", "RANK"} & set(handed_on)
    assert handed_on["MALLOC_ARENA_MAX"] == "1" and "MALLOC_ARENA_MAX=1" in driver.facts["variables"]


def test_it_ends_when_the_process_that_started_it_is_killed() -> None:
    path = os.pathsep.join([str(TESTS / "driving"), str(TESTS), str(TESTS.parent)])
    with subprocess.Popen(
        [sys.executable, "-c", RUN], stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": path}
    ) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert psutil.pid_exists(pid)
        parent.kill()
    wait_until(lambda: not psutil.pid_exists(pid), "the driver ends with its parent")


def test_what_it_cannot_do_is_said_and_it_goes_on(opened: Open) -> None:
    driver = opened()
    with pytest.raises(DriverError) as caught:
        driver.prepare(replace(TASK, mode="compile"))
    assert caught.value.status == "unsupported" and "compile" in str(caught.value)
    assert driver.prepare(TASK)


def refused(opened: Open, folder: Path, text: str, **options: float) -> DriverError:
    with pytest.raises(DriverError) as caught:
        opened(with_module(folder, text), **options)
    return caught.value


def test_an_environment_without_the_framework_says_so(opened: Open, tmp_path: Path) -> None:
    error = refused(opened, tmp_path, "raise ModuleNotFoundError(\"No module named 'torch'\")")
    assert error.status == "failed" and "No module named 'torch'" in str(error)


def test_a_broken_import_is_one_line(opened: Open, tmp_path: Path) -> None:
    error = refused(opened, tmp_path, "raise OSError('libmkl.so.2: cannot open\\nshared object file')")
    assert str(error) == "torch does not start (OSError: libmkl.so.2: cannot open)"


def test_one_that_exits_is_quoted(opened: Open, tmp_path: Path) -> None:
    error = refused(
        opened, tmp_path, "import os, sys\nprint('no license', file=sys.stderr, flush=True)\nos._exit(3)"
    )
    assert (error.status, str(error)) == (
        "failed",
        "torch does not start (it exited with status 3: no license)",
    )


def test_one_that_is_killed_says_by_which_signal(opened: Open, tmp_path: Path) -> None:
    error = refused(opened, tmp_path, "import os\nos.kill(os.getpid(), 9)")
    assert error.status == "failed" and "SIGKILL, perhaps for want of memory" in str(error)


def test_one_that_hangs_is_a_timeout_and_is_ended(opened: Open, tmp_path: Path) -> None:
    text = "import os, time\nopen(%r, 'w').write(str(os.getpid()))\nprint('waiting', flush=True)\ntime.sleep(600)"
    error = refused(opened, tmp_path, text % str(tmp_path / "pid"), timeout_s=1.5)
    assert error.status == "timeout" and "no answer within 1.5 s: waiting" in str(error)
    assert not psutil.pid_exists(int((tmp_path / "pid").read_text()))


def test_garbage_on_its_pipe_ends_it(opened: Open, tmp_path: Path) -> None:
    error = refused(opened, tmp_path, "import os, sys\nos.write(int(sys.argv[2]), b'\\x00garbage\\n')")
    assert error.status == "failed" and "no answer" in str(error) and "garbage" in str(error)


def test_memory_that_runs_out_is_oom(opened: Open, tmp_path: Path) -> None:
    assert refused(opened, tmp_path, "raise MemoryError()").status == "oom"
    text = "raise RuntimeError('DefaultCPUAllocator: not enough memory: you tried to allocate 1 bytes')"
    assert refused(opened, tmp_path, text).status == "oom"


def test_what_dies_between_two_questions_says_so_to_every_further_one(opened: Open) -> None:
    driver = opened()
    driver.prepare(TASK)
    os.kill(driver._channel.pid, signal.SIGSEGV)
    said = []
    for _ in range(2):
        with pytest.raises(DriverError) as caught:
            driver.block(1, 0)
        said.append(str(caught.value))
    assert "SIGSEGV" in said[0] and said[0] == said[1] and not driver.alive


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"\x7fELF\x02\x01\x01" + b"\0" * 57, "cannot be started"),
        (b"", "cannot be started"),
        (None, "No such file"),
    ],
)
def test_what_is_no_interpreter_of_this_machine_is_said(
    opened: Open, tmp_path: Path, content: bytes | None, says: str
) -> None:
    path = tmp_path / "python"
    if content is not None:
        path.write_bytes(content)
        path.chmod(0o700)
    with pytest.raises(DriverError) as caught:
        opened(interpreter(python=str(path)))
    assert caught.value.status == "failed" and says in str(caught.value)


def test_whoever_waits_is_told_meanwhile(opened: Open, tmp_path: Path) -> None:
    told: list[float] = []
    with pytest.raises(DriverError):
        opened(
            with_module(tmp_path, "import time\ntime.sleep(600)"),
            timeout_s=3.5,
            while_waiting=lambda: told.append(1),
        )
    assert len(told) >= 2
