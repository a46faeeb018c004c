"""A mode is compared with eager before it is timed, on whatever device outputs mean something."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from cell_records import MODES, Asynchronous, Measure, faulty, of_kind
from raw_runs import cell_of

from harness.devices.device import Device

pytestmark = pytest.mark.filterwarnings("ignore:.torch.jit")


def test_a_cell_without_eager_is_compared_with_it_all_the_same(measure: Measure) -> None:
    records = measure(cell_of(["script"]))
    assert of_kind(records, "prepared")[0]["difference"] < 1e-4
    assert len(records[-1]["keys"]) == 1


class ComputesNothing(Device):
    """A device whose outputs mean nothing."""

    kind, computes = "emulated", False


def test_where_outputs_mean_nothing_a_mode_is_compared_on_another_device(measure: Measure) -> None:
    records = measure(cell_of(MODES), device=ComputesNothing())
    assert len(of_kind(records, "prepared")) == len(MODES)
    assert not of_kind(records, "dropped")


def test_and_a_mode_that_is_wrong_there_is_a_mismatch(measure: Measure) -> None:
    class Half(torch.nn.Module):
        def __init__(self, model: torch.nn.Module) -> None:
            super().__init__()
            self.model = model

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.model(x) / 2

    records = measure(cell_of(["eager", "faulty"]), mode=faulty(Half), device=ComputesNothing())
    assert [record["status"] for record in of_kind(records, "dropped")] == ["mismatch"]


def test_a_mode_that_is_not_what_it_says_is_not_timed_and_the_others_are(measure: Measure) -> None:
    mode = faulty(lambda model: model)
    mode.proof = lambda built: f"what was prepared is a {type(built).__name__}"  # type: ignore[method-assign]
    records = measure(cell_of(["eager", "faulty", "script"]), mode=mode)
    (dropped,) = of_kind(records, "dropped")
    assert (dropped["status"], dropped["error"]) == ("unsupported", "what was prepared is a MLP")
    assert len(records[-1]["keys"]) == 2


class Spoiled(torch.nn.Module):
    """Runs until it was captured, as a container that waits for an event of its last run."""

    made = 0

    def __init__(self, model: torch.nn.Module, device: CapturesOnce) -> None:
        super().__init__()
        self.model, self.device, self.spoiled = model, device, False
        Spoiled.made += 1

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.device.capturing:
            self.spoiled = True
        elif self.spoiled:
            raise RuntimeError("operation not permitted on an event last recorded in a capturing stream")
        return self.model(x)


class CapturesOnce(Asynchronous):
    capturing = False

    def captured(self, call: Any) -> Any:
        self.capturing = True
        call()
        self.capturing = False
        return SimpleNamespace(launches=7, replay=lambda: None)


def test_what_a_capture_has_spoiled_is_built_anew_and_measured(measure: Measure) -> None:
    device = CapturesOnce()
    records = measure(
        cell_of(["eager", "faulty"]), mode=faulty(lambda model: Spoiled(model, device)), device=device
    )
    assert not of_kind(records, "dropped")
    assert {record["mode"]: record["launches"] for record in of_kind(records, "prepared")} == {
        "eager": 7,
        "faulty": 7,
    }
    assert len(records[-1]["keys"]) == 2
    assert Spoiled.made == 2
