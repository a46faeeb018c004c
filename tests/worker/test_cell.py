"""Measuring one cell: real modes on a CPU, one rank, into a raw file; what goes wrong becomes a record."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from raw_runs import cell_of, key_of

from harness.devices.device import Device
from harness.modes import Mode
from harness.modes import registry as modes
from harness.plan.config import TimingConfig
from harness.plan.points import Cell
from harness.records.raw import Writer, read_raw
from harness.session.progress import Sender
from harness.worker.cell import Bench, SessionBroken, describe, measure_cells
from harness.worker.graph_check import LEAST_HOLD_NS, MOST_HOLD_NS
from harness.worker.issuers import InTurn

pytestmark = pytest.mark.filterwarnings("ignore:.torch.jit")

TIMING = TimingConfig(
    block_ms=0.2, min_rounds=8, max_rounds=12, rel_width=0.5, warmup_max_s=0.05, max_cell_s=2
)


class Alone:
    """Ranks of a session with one rank: nobody to agree with."""

    rank = local_rank = 0
    world_size = 1

    def barrier(self) -> None:
        pass

    def any(self, flag: bool) -> bool:
        return flag

    def gather(self, values: Sequence[float]) -> list[list[float]]:
        return [list(values)]


def faulty(failing: Callable[[torch.nn.Module], torch.nn.Module]) -> Mode:
    class Faulty(Mode):
        name, needs_python = "faulty", True

        def prepare(self, model, example):
            return failing(model)

    return Faulty()


class FailsAfter(torch.nn.Module):
    def __init__(self, model: torch.nn.Module, calls: int, error: Exception) -> None:
        super().__init__()
        self.model, self.left, self.error = model, calls, error

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.left -= 1
        if self.left < 0:
            raise self.error
        return self.model(x)


Measure = Callable[..., list[dict[str, Any]]]


@pytest.fixture
def measure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Measure]:
    """Measure a cell and answer the records; seeds and further modes may be given."""
    monkeypatch.delenv("HARNESS_PROGRESS_SOCKET", raising=False)
    (tmp_path / "raw").mkdir()

    def run(
        cell: Cell,
        *,
        seed: int = 0,
        mode: Mode | None = None,
        usage: bool = True,
        device: Device | None = None,
        window_s: float = 0.0,
    ) -> list[dict[str, Any]]:
        if mode is not None:
            monkeypatch.setitem(modes._REGISTRY, mode.name, mode)
        path = tmp_path / "raw" / "s-rank0.jsonl"
        path.unlink(missing_ok=True)
        writer = Writer(path)
        ranks: Any = Alone()
        try:
            measure_cells(
                [cell],
                Bench(
                    ranks, InTurn([device or Device()]), writer, Sender(), TIMING, seed, usage, 50.0, window_s
                ),
            )
        finally:
            writer.close()
        data = read_raw(tmp_path)
        assert not data.skipped, "a record that its own reader refuses"
        return data.files["s-rank0.jsonl"]

    return run


def of_kind(records: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [record for record in records if record["type"] == kind]


def orders(records: list[dict[str, Any]]) -> list[tuple[str, ...]]:
    return [tuple(block["key"] for block in r["blocks"]) for r in of_kind(records, "round")]


MODES = ["eager", "script", "trace"]


def test_a_cell_is_written_down_from_its_beginning_to_its_end(measure: Measure) -> None:
    cell = cell_of(MODES)
    records = measure(cell)
    kinds = [record["type"] for record in records]
    assert (kinds[0], kinds[-1]) == ("cell", "end")
    assert {r["cell"] for r in records} == {cell.id}
    assert [r["key"] for r in of_kind(records, "prepared")] == [p.key for p in cell.points]
    assert records[-1]["keys"] == [p.key for p in cell.points]
    assert records[-1]["stop"] in ("settled", "noisy", "capped")


def test_every_round_has_one_block_of_every_mode(measure: Measure) -> None:
    cell = cell_of(MODES)
    records = measure(cell)
    rounds = of_kind(records, "round")
    assert [r["round"] for r in rounds] == list(range(len(rounds)))
    assert TIMING.min_rounds <= len(rounds) <= TIMING.max_rounds
    for record in rounds:
        assert Counter(b["key"] for b in record["blocks"]) == Counter(p.key for p in cell.points)


def test_blocks_of_a_round_do_not_overlap_and_follow_their_order(measure: Measure) -> None:
    for record in of_kind(measure(cell_of(MODES)), "round"):
        times = [t for block in record["blocks"] for t in (block["start_ns"], block["end_ns"])]
        assert times == sorted(times)


def test_a_mode_has_the_same_number_of_steps_in_every_round(measure: Measure) -> None:
    records = measure(cell_of(MODES))
    prepared = {r["key"]: r["steps"] for r in of_kind(records, "prepared")}
    for record in of_kind(records, "round"):
        assert {b["key"]: b["steps"] for b in record["blocks"]} == prepared


def test_the_order_differs_between_rounds_and_is_given_by_the_seed(measure: Measure) -> None:
    """The same on every rank, since every rank has the same seed, cell and round and nothing else goes in."""
    cell = cell_of(MODES)
    first, again, other = (orders(measure(cell, seed=seed)) for seed in (1, 1, 2))
    least = TIMING.min_rounds
    assert first[:least] == again[:least]
    assert first[:least] != other[:least]
    assert len(set(first)) > 1


def test_the_order_differs_between_cells(measure: Measure) -> None:
    places = [
        [
            tuple(sorted(order).index(key) for key in order)
            for order in orders(measure(cell_of(MODES, batch=b)))
        ]
        for b in (3, 4)
    ]
    assert places[0] != places[1]


def test_without_usage_blocks_hold_times_alone(measure: Measure) -> None:
    (block, *_) = of_kind(measure(cell_of(["eager"]), usage=False), "round")[0]["blocks"]
    assert set(block) == {"key", "steps", "start_ns", "end_ns"}


def test_a_cell_without_eager_is_compared_with_it_all_the_same(measure: Measure) -> None:
    records = measure(cell_of(["script"]))
    assert of_kind(records, "prepared")[0]["difference"] < 1e-4
    assert len(records[-1]["keys"]) == 1


def failure(records: list[dict[str, Any]], cell: Cell) -> dict[str, Any]:
    """The one record of a failure; the other mode must have been measured to the end."""
    (dropped,) = of_kind(records, "dropped")
    assert dropped["key"] == key_of(cell, "faulty")
    assert records[-1]["type"] == "end"
    assert records[-1]["keys"] == [key_of(cell, "eager")]
    assert len(of_kind(records, "round")) >= TIMING.min_rounds
    return dropped


class TestFailures:
    cell = cell_of(["eager", "faulty"])

    def fail(self, measure: Measure, calls: int, error: Exception) -> dict[str, Any]:
        mode = faulty(lambda model: FailsAfter(model, calls, error))
        return failure(measure(self.cell, mode=mode), self.cell)

    def test_a_mode_that_cannot_be_built_is_failed(self, measure: Measure) -> None:
        def refuse(model: torch.nn.Module) -> torch.nn.Module:
            raise RuntimeError("this mode cannot be built\nsecond line")

        dropped = failure(measure(self.cell, mode=faulty(refuse)), self.cell)
        assert (dropped["status"], dropped["error"]) == ("failed", "RuntimeError: this mode cannot be built")

    def test_a_mode_that_computes_something_else_is_a_mismatch(self, measure: Measure) -> None:
        mode = faulty(lambda model: torch.nn.Sequential(model, torch.nn.Threshold(0.0, 5.0)))
        dropped = failure(measure(self.cell, mode=mode), self.cell)
        assert dropped["status"] == "mismatch"
        assert "differs from eager's by" in dropped["error"]

    @pytest.mark.parametrize("calls", [0, 1, 5], ids=["first call", "comparison", "warm-up"])
    def test_a_mode_that_runs_out_of_memory_is_oom_whenever_it_does(
        self, measure: Measure, calls: int
    ) -> None:
        error = RuntimeError("DefaultCPUAllocator: can't allocate memory")
        assert self.fail(measure, calls, error)["status"] == "oom"

    def test_a_mode_that_fails_in_its_timed_blocks_leaves_the_others(self, measure: Measure) -> None:
        """Calls are counted off from the end of its warm-up: one comparison, one first call, then blocks."""

        class FailsInRounds(torch.nn.Module):
            def __init__(self, model: torch.nn.Module) -> None:
                super().__init__()
                self.model = model

            def forward(self, x: torch.Tensor) -> torch.Tensor:
                if any(
                    r["type"] == "round" for r in read_raw(Path(os.environ["RUN"])).files["s-rank0.jsonl"]
                ):
                    raise RuntimeError("enough")
                return self.model(x)

        records = measure(self.cell, mode=faulty(FailsInRounds))
        dropped = failure(records, self.cell)
        assert dropped["error"] == "RuntimeError: enough"
        first, second, *_ = of_kind(records, "round")
        assert {b["key"] for b in first["blocks"]} == {p.key for p in self.cell.points}
        assert {b["key"] for b in second["blocks"]} == {key_of(self.cell, "eager")}

    @pytest.fixture(autouse=True)
    def _where_the_records_are(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("RUN", str(tmp_path))

    def test_when_every_mode_fails_the_cell_ends_all_the_same(self, measure: Measure) -> None:
        """With its reasons: it need not be tried again."""

        def refuse(model: torch.nn.Module) -> torch.nn.Module:
            raise RuntimeError("no")

        cell = cell_of(["faulty"])
        records = measure(cell, mode=faulty(refuse))
        assert [r["type"] for r in records] == ["cell", "dropped", "end"]
        assert (records[-1]["stop"], records[-1]["keys"]) == ("nothing left", [])

    def test_a_model_that_does_not_fit_drops_every_mode_with_the_reason(self, measure: Measure) -> None:
        cell = cell_of(MODES, sizes=(1 << 26, 1 << 26), depth=1)
        records = measure(cell)
        assert {r["key"] for r in of_kind(records, "dropped")} == {p.key for p in cell.points}
        assert {r["status"] for r in of_kind(records, "dropped")} == {"oom"}
        assert records[-1]["type"] == "end"

    def test_a_failure_inside_a_collective_operation_breaks_the_session(
        self, measure: Measure, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """With two ranks under `train` the other one waits in an all-reduce: nobody can tell it."""
        monkeypatch.setattr(Alone, "world_size", 2)

        def refuse(model: torch.nn.Module) -> torch.nn.Module:
            raise RuntimeError("no")

        cell = cell_of(["faulty"], workload="train")
        monkeypatch.setitem(modes._REGISTRY, "eager", faulty(refuse))
        with pytest.raises(SessionBroken, match="RuntimeError: no"):
            measure(cell, mode=faulty(refuse))


class TestDescribe:
    def test_an_exception_is_its_type_and_first_line(self) -> None:
        assert describe(ValueError("\n first \nsecond")) == "ValueError:  first "

    def test_one_without_words_is_its_type(self) -> None:
        assert describe(KeyboardInterrupt()) == "KeyboardInterrupt"
        assert describe(RuntimeError(" \n ")) == "RuntimeError"

    def test_a_long_one_is_cut(self) -> None:
        assert len(describe(RuntimeError("x" * 10_000))) < 400


class Asynchronous(Device):
    """A CPU that says it is an asynchronous device, whose stream is held long enough or not."""

    kind, asynchronous = "cuda", True

    def __init__(self, *, enough_ns: float = 0.0, broken: bool = False) -> None:
        super().__init__()
        self.enough_ns, self.broken, self.holds = enough_ns, broken, list[float]()

    def burst_steps(self, depth: int, workload: str, launches: int | None = None) -> int | None:
        return 4

    def captured(self, call: Any) -> Any:
        raise RuntimeError("a CPU cannot be captured")

    def is_broken(self) -> bool:
        return self.broken

    def gate(self, hold_ns: float) -> Any:
        self.holds.append(hold_ns)
        held = hold_ns >= self.enough_ns

        class Gate:
            def close(self) -> None: ...
            def begin(self) -> None: ...
            def end(self) -> bool:
                return held

            def elapsed_ns(self) -> float:
                return 40.0

        return Gate()


def test_issue_and_device_time_are_recorded_with_every_block_of_an_asynchronous_device(
    measure: Measure,
) -> None:
    records = measure(cell_of(MODES), device=Asynchronous())
    blocks = [block for record in of_kind(records, "round") for block in record["blocks"]]
    assert all(block["issue_ns"] > 0 and block["device_ns"] == 10.0 for block in blocks)


def test_a_synchronous_device_has_neither(measure: Measure) -> None:
    records = measure(cell_of(MODES))
    assert not any(
        "issue_ns" in b or "device_ns" in b for r in of_kind(records, "round") for b in r["blocks"]
    )


def test_a_device_that_was_held_too_short_is_held_longer_and_not_longer_than_the_limit(
    measure: Measure,
) -> None:
    device = Asynchronous(enough_ns=float("inf"))
    records = measure(cell_of(["eager"]), device=device)
    assert all(b["device_ns"] is None for r in of_kind(records, "round") for b in r["blocks"])
    assert device.holds[1] > device.holds[0] or device.holds[0] == LEAST_HOLD_NS
    assert max(device.holds) <= MOST_HOLD_NS


def test_each_point_is_held_for_samplers_once_its_rounds_are_done(measure: Measure) -> None:
    records = measure(cell_of(MODES), window_s=0.05)
    windows = of_kind(records, "window")
    assert len(windows) == len({window["key"] for window in windows}) == len(MODES)
    last = max(block["end_ns"] for record in of_kind(records, "round") for block in record["blocks"])
    for window in windows:
        assert window["start_ns"] > last
        assert window["end_ns"] - window["start_ns"] > 0.02e9  # about as long as asked for
        assert window["steps"] > 1


def test_and_not_at_all_where_nothing_samples(measure: Measure) -> None:
    assert not of_kind(measure(cell_of(MODES)), "window")


def test_a_device_whose_error_stays_ends_the_session(measure: Measure) -> None:
    mode = faulty(lambda model: FailsAfter(model, 0, RuntimeError("CUDA error: unspecified launch failure")))
    with pytest.raises(SessionBroken, match="unspecified launch failure"):
        measure(cell_of(["eager", "faulty"]), mode=mode, device=Asynchronous(broken=True))


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

    mode = faulty(Half)
    dropped = of_kind(measure(cell_of(["eager", "faulty"]), mode=mode, device=ComputesNothing()), "dropped")
    assert [record["status"] for record in dropped] == ["mismatch"]
