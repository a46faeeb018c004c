"""Modes are compared with eager on the CPU where the device computes nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch

from harness.modes import registry as modes
from harness.plan.config import Config
from harness.plan.inventory import Inventory
from harness.plan.layout import make_plan
from harness.plan.points import Point
from harness.workloads.comparison import TOLERANCE, Mismatch
from harness.workloads.cpu_check import SAMPLES, Rehearsal
from harness.workloads.workload import Workload

pytestmark = pytest.mark.filterwarnings("ignore:.torch.jit")


def point(**changes: Any) -> Point:
    config = replace(Config(depth=[3], width=[8], mode=["script"]), **changes)
    return make_plan(config, Inventory("cpu", 2, "", 2)).points[0]


@pytest.mark.parametrize("workload", ["forward", "train"])
@pytest.mark.parametrize("mode", ["eager", "script", "trace"])
def test_a_right_mode_gives_what_eager_gives(workload: str, mode: str) -> None:
    found = Rehearsal(0).compared(point(workload=[workload], mode=[mode]))
    assert found <= TOLERANCE["float32"]


class Wrong(torch.nn.Module):
    """Gives half of what the model gives."""

    def __init__(self, model: torch.nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.model(x) / 2


def with_mode(monkeypatch: pytest.MonkeyPatch, prepare: Callable[[Any], Any]) -> Point:
    class Other(modes.Mode):
        name, needs_python = "other", True

        def prepare(self, model: Any, example: Any) -> Any:
            return prepare(model)

    monkeypatch.setitem(modes.MODES, "other", Other())
    return replace(point(), mode="other")


def test_a_wrong_mode_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Mismatch, match=r"differs from eager's by 0\.5"):
        Rehearsal(0).compared(with_mode(monkeypatch, Wrong))


def test_what_a_mode_raises_comes_through(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(model: Any) -> Any:
        raise RuntimeError("this mode cannot be built")

    with pytest.raises(RuntimeError, match="cannot be built"):
        Rehearsal(0).compared(with_mode(monkeypatch, fail))


def test_a_batch_that_no_host_could_hold_is_checked_with_few_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    build = Workload.__init__

    def note(self: Workload, of: Point, *rest: Any) -> None:
        seen.append(of.rank_batch)
        build(self, of, *rest)

    monkeypatch.setattr(Workload, "__init__", note)
    Rehearsal(0).compared(point(batch=[2**40]))
    assert set(seen) == {SAMPLES}


def test_the_same_model_is_not_checked_again_for_another_batch_or_device_count(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rehearsal = Rehearsal(0)
    first = rehearsal.compared(point(batch=[64]))
    rehearsal.forget()
    monkeypatch.setattr(Workload, "__init__", lambda *_: pytest.fail("built again"))
    assert rehearsal.compared(point(batch=[4096], devices=[2])) == first


def test_another_model_is_checked_on_its_own() -> None:
    rehearsal = Rehearsal(0)
    rehearsal.compared(point())
    assert rehearsal.compared(point(depth=[5])) <= TOLERANCE["float32"]
