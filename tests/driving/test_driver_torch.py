"""What a driver makes with torch is what the harness's own modes make: outputs agree between modes and with an MLP
written down by hand, and each mode proves what it is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from other_pythons import Open, interpreter
from running import one_quick

from harness.environments.driven import MODES
from harness.environments.driving.numbers import numbers_file
from harness.environments.driving.process import Driver
from harness.environments.driving.task import DriverError, Task

TASK = Task("torch", "eager", "forward", (16, 12, 8, 4), 3, "float32", "inference", 5)


@pytest.fixture
def driver(opened: Open) -> Driver:
    return opened(interpreter("torch"))


def by_hand(task: Task) -> torch.Tensor:
    numbers = torch.from_numpy(np.fromfile(numbers_file(task), dtype="<f4").copy())
    at, values, layers = 0, None, []
    for fan_in, fan_out in zip(task.sizes, task.sizes[1:], strict=False):
        layers.append((numbers[at : at + fan_in * fan_out].view(fan_out, fan_in), fan_in, fan_out))
        at += fan_in * fan_out
        layers[-1] = (layers[-1][0], numbers[at : at + fan_out])
        at += fan_out
    values = numbers[at : at + task.batch * task.sizes[0]].view(task.batch, -1)
    for place, (weight, bias) in enumerate(layers):
        values = torch.nn.functional.linear(values.relu() if place else values, weight, bias)
    return values.flatten()


@pytest.mark.parametrize("mode", ["eager", "symbolic", "script", "trace", "frozen"])
def test_every_mode_computes_what_is_written_down(driver: Driver, mode: str) -> None:
    (outcome,) = driver.prepare(replace(TASK, mode=mode))
    assert outcome == pytest.approx(by_hand(TASK).tolist(), rel=1e-4, abs=1e-5)
    assert driver.block(20, 2) > 0


@pytest.mark.long
def test_compile_computes_what_is_written_down(driver: Driver) -> None:
    for slot in (0, 1):  # the second is not taken for the first
        (outcome,) = driver.prepare(replace(TASK, mode="compile", seed=slot), slot)
        assert outcome == pytest.approx(by_hand(replace(TASK, seed=slot)).tolist(), rel=1e-4, abs=1e-5)


@pytest.mark.parametrize("mode", ["eager", "symbolic", "script", "trace"])
def test_training_gives_the_same_loss_and_gradients(driver: Driver, mode: str) -> None:
    loss, *gradients = driver.prepare(replace(TASK, mode=mode, workload="train"))
    again, *expected = driver.prepare(replace(TASK, workload="train"), 1)
    assert loss == pytest.approx(again) and len(loss) == 1
    assert [len(each) for each in gradients] == [192, 12, 96, 8, 32, 4]
    for ours, theirs in zip(gradients, expected, strict=True):
        assert ours == pytest.approx(theirs, rel=1e-4, abs=1e-6)


@pytest.mark.parametrize("autograd", ["grad", "no_grad", "inference", "inference_model"])
def test_forward_runs_under_what_the_axis_says(driver: Driver, autograd: str) -> None:
    (outcome,) = driver.prepare(replace(TASK, autograd=autograd))
    assert outcome == pytest.approx(by_hand(TASK).tolist(), rel=1e-4, abs=1e-5)
    assert driver.block(5, 1) > 0


@pytest.mark.parametrize("dtype", one_quick("float64", "bfloat16", "float16"))
def test_other_formats_are_near(driver: Driver, dtype: str) -> None:
    (outcome,) = driver.prepare(replace(TASK, dtype=dtype))
    tolerance = 1e-5 if dtype == "float64" else 0.1
    assert outcome == pytest.approx(by_hand(TASK).tolist(), rel=tolerance, abs=tolerance)


def test_of_a_large_output_evenly_spaced_numbers_are_told(driver: Driver) -> None:
    (outcome,) = driver.prepare(replace(TASK, sizes=(4, 4000), batch=2))
    assert len(outcome) == 1000
    assert outcome == pytest.approx(
        by_hand(replace(TASK, sizes=(4, 4000), batch=2))[::8].tolist(), rel=1e-4, abs=1e-5
    )


def test_what_a_mode_cannot_do_is_unsupported(driver: Driver) -> None:
    cannot = (
        {"mode": "frozen", "workload": "train"},
        {"mode": "frozen", "autograd": "grad"},
        {"mode": "native"},
    )
    for changes in cannot:
        with pytest.raises(DriverError) as caught:
            driver.prepare(replace(TASK, **changes))
        assert caught.value.status == "unsupported"


def test_torchscript_that_is_switched_off_is_not_timed(opened: Open) -> None:
    driver = opened(interpreter("torch", PYTORCH_JIT="0"))
    with pytest.raises(DriverError) as caught:
        driver.prepare(replace(TASK, mode="script"))
    assert caught.value.status == "unsupported" and "PYTORCH_JIT" in str(caught.value)


def test_it_says_how_it_was_built(driver: Driver) -> None:
    assert driver.facts["framework"] == f"torch {torch.__version__}"
    assert driver.facts["threads"] == "1" and driver.facts["compiler"]


def test_the_modes_are_those_that_it_is_asked_for(driver: Driver) -> None:
    with pytest.raises(DriverError, match="no_such"):
        driver.prepare(replace(TASK, mode="no_such"))
    assert set(MODES) >= {"eager", "script", "compile"}
