"""Other frameworks, really installed: every mode computes what plain numbers do, forward and in a step of SGD."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
import running
from running import command

from harness.environments.document import Environment, named_environment
from harness.environments.driving.numbers import numbers_file
from harness.environments.driving.process import Driver
from harness.environments.driving.task import DriverError, Task
from harness.environments.interpreter import Interpreter, create
from harness.environments.pythons import find_python

pytestmark = pytest.mark.long

MODES = {
    "mxnet": ("eager", "hybridize", "hybridize_static"),
    "chainer": ("eager",),
    "pytensor": ("graph_c", "graph_numba", "graph_jax"),
    "cntk": ("graph",),
}
TASK = Task("", "eager", "forward", (6, 5, 3), 2, "float32", "inference", 7)
Array = npt.NDArray[np.float64]


class Opened(Driver):
    """A driver that knows of what it was opened. kept: the folder of environments."""

    def __init__(self, interpreter: Interpreter, kept: Path) -> None:
        super().__init__(interpreter, timeout_s=200)
        self.interpreter, self.kept = interpreter, kept


@pytest.fixture(scope="module", params=MODES)
def driver(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Opened]:
    """Of an environment that is made, as it is bundled, for the tests of this file."""
    environment = named_environment(request.param)
    if find_python(environment.python) is None:
        pytest.skip(f"no Python {environment.python} here")
    folder = tmp_path_factory.mktemp(environment.name)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HARNESS_ENVIRONMENTS", str(folder / "kept"))
        made = create(environment, lambda told: None)
    opened = Opened(started(made, folder), folder / "kept")
    yield opened
    opened.close()
    # Of each run's folder pytest keeps the last three, and these are gigabytes.
    shutil.rmtree(folder / "kept")


def started(made: Interpreter, folder: Path, *flags: str) -> Interpreter:
    """With what PyTensor compiles in a folder of this test."""
    variables = {"PYTENSOR_FLAGS": ",".join([f"base_compiledir={folder}", *flags])}
    environment: Environment = replace(made.environment, variables=variables)
    return replace(made, environment=environment)


def asked(driver: Opened, **changed: object) -> list[Task]:
    """For each mode of its framework."""
    task = replace(TASK, framework=driver.name, **changed)  # type: ignore[arg-type]
    return [replace(task, mode=mode) for mode in MODES[driver.name]]


def numbers_of(task: Task) -> tuple[list[Array], Array, npt.NDArray[np.int64]]:
    flat = np.fromfile(numbers_file(task), dtype="<f8" if task.dtype == "float64" else "<f4").astype(float)
    first, shift, last, end = (part for part in np.split(flat, [30, 35, 50, 53])[:4])
    layers = [first.reshape(5, 6), shift, last.reshape(3, 5), end]
    return layers, flat[53:65].reshape(2, 6), flat[65:].astype(int)


def output_of(task: Task) -> Array:
    (first, shift, last, end), inputs, _ = numbers_of(task)
    return np.maximum(inputs @ first.T + shift, 0) @ last.T + end


def training_of(task: Task) -> list[Array]:
    """Loss and gradients of cross entropy, by hand."""
    (first, shift, last, _), inputs, labels = numbers_of(task)
    hidden = np.maximum(inputs @ first.T + shift, 0)
    output = output_of(task)
    chances = np.exp(output) / np.exp(output).sum(axis=1, keepdims=True)
    loss = -np.log(chances[np.arange(len(labels)), labels]).mean()
    wrong = (chances - np.eye(3)[labels]) / len(labels)
    back = (wrong @ last) * (hidden > 0)
    return [np.array([loss]), back.T @ inputs, back.sum(axis=0), wrong.T @ hidden, wrong.sum(axis=0)]


def test_every_mode_computes_what_plain_numbers_do(driver: Opened) -> None:
    assert driver.facts["framework"].startswith(f"{driver.name} ")
    assert driver.facts["threads"] == "1"
    for dtype, apart in (("float32", 1e-5), ("float64", 1e-12)):
        for task in asked(driver, dtype=dtype):
            (outcome,) = driver.prepare(task)
            assert outcome == pytest.approx(list(output_of(task).ravel()), rel=apart, abs=apart), task
            assert driver.timed(20, 2).wall_ns > 0


def test_every_mode_trains(driver: Opened) -> None:
    for task in asked(driver, workload="train"):
        found = driver.prepare(task)
        expected = training_of(task)
        assert [len(each) for each in found] == [each.size for each in expected]
        for one, other in zip(found, expected, strict=True):
            assert one == pytest.approx(list(other.ravel()), rel=1e-4, abs=1e-5), task
        assert driver.timed(5, 1).wall_ns > 0


def test_what_is_saved_and_loaded_again_computes_the_same(driver: Opened, tmp_path: Path) -> None:
    for task in asked(driver):
        driver.prepare(task)
        folder = tmp_path / task.mode
        folder.mkdir()
        found = driver.serialised(folder)
        assert found.outcome[0] == pytest.approx(list(output_of(task).ravel()), rel=1e-5, abs=1e-5)
        assert found.bytes > 53 * 4 and found.format


def test_a_sweep_measures_every_mode(driver: Opened, tmp_path: Path) -> None:
    # Small, for PyTensor's sake, which compiles; what is asked here is whether a whole run of it is sound.
    small = ("hidden=[8]", "in_features=16", "timing=quick", "timing.warmup_max_s=0.2")
    done = subprocess.run(
        command("sweep", "sweep=frameworks", f"environment={driver.name}", *small, "out=run"),
        cwd=tmp_path,
        env={**running.environment(), "HARNESS_ENVIRONMENTS": str(driver.kept)},
        capture_output=True,
        text=True,
        timeout=400,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    points = pd.read_csv(tmp_path / "run" / "points.csv").set_index("mode")
    assert set(points.index) == set(MODES[driver.name])
    assert set(points["status"]) == {"ok"}, points["error"].to_string()
    assert (points["step_us"] > 0).all() and set(points["framework"]) == {driver.name}


def test_what_it_has_not_is_unsupported_with_the_reason(driver: Opened, tmp_path: Path) -> None:
    task = asked(driver)[0]
    for changed, why in (
        (replace(task, mode="script"), f"{driver.name} has no mode script: it has {task.mode}"),
        (replace(task, device="cuda"), "on the CPU"),
        (replace(task, dtype="bfloat16"), "float32 and float64"),
    ):
        with pytest.raises(DriverError, match=why) as caught:
            driver.prepare(changed)
        assert caught.value.status == "unsupported"
    driver.prepare(task)
    if driver.name == "pytensor":
        lacks_a_compiler(driver, tmp_path)


def lacks_a_compiler(driver: Opened, folder: Path) -> None:
    """Then PyTensor's other linkers go on."""
    lacking = Opened(started(driver.interpreter, folder, "cxx="), driver.kept)
    try:
        c, *others = asked(driver)
        with pytest.raises(DriverError, match=r"needs a C\+\+ compiler") as caught:
            lacking.prepare(c)
        assert caught.value.status == "unsupported"
        assert all(lacking.prepare(other) for other in others)
    finally:
        lacking.close()
