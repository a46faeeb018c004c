"""What fails on one rank fails on all, with the reason written down where it failed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cell_records import TIMING, Alone, Asynchronous, FailsAfter, Measure, faulty, refuse
from raw_runs import cell_of

from benchmarks.on_disk import lines_of
from harness.devices.device import Device
from harness.modes import registry as modes
from harness.modes.proof import Unproven
from harness.plan.points import Cell
from harness.records.lines import Writer
from harness.session.progress import Sender
from harness.worker.cells.agreement import Agreement, SessionBroken, described
from harness.worker.cells.bench import Bench
from harness.worker.issuers import InTurn
from harness.workloads.comparison import Mismatch


class Failing(Alone):
    """A rank beside which another one has failed."""

    world_size = 2

    def any(self, flag: bool) -> bool:
        return True


CELL = cell_of(["eager", "script"])


class Table:
    """An agreement about a cell, and what it has written down."""

    def __init__(self, run: Path) -> None:
        self.run = run
        (run / "raw").mkdir()
        self.writer = Writer(run / "raw" / "s-rank0.jsonl")

    def agreement(self, cell: Cell = CELL, ranks: Any = None, device: Device | None = None) -> Agreement:
        issuers = InTurn([device or Device()])
        return Agreement(
            cell, Bench(ranks or Alone(), issuers, self.writer, Sender(), TIMING, 0, False, 50.0)
        )

    def dropped(self) -> list[tuple[str, str]]:
        """The key and status of each point that was dropped."""
        return [(r["key"], r["status"]) for r in lines_of(self.run)["s-rank0.jsonl"]]


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Table]:
    monkeypatch.delenv("HARNESS_PROGRESS_SOCKET", raising=False)
    table = Table(tmp_path)
    yield table
    table.writer.close()


def fail(error: Exception) -> Any:
    def action() -> None:
        raise error

    return action


def test_what_goes_well_on_all_ranks_is_answered(table: Table) -> None:
    assert table.agreement().agree(CELL.points, lambda: [1]) == [1]
    assert table.dropped() == []


def test_what_goes_well_here_and_not_elsewhere_is_nothing_and_written_there(table: Table) -> None:
    assert table.agreement(ranks=Failing()).agree(CELL.points, lambda: [1]) is None
    assert table.dropped() == []


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (Mismatch("output differs"), "mismatch"),
        (MemoryError(), "oom"),
        (RuntimeError("can't allocate memory"), "oom"),
        (RuntimeError("anything else"), "failed"),
    ],
)
def test_what_fails_here_is_written_down_for_each_point(table: Table, error: Exception, status: str) -> None:
    assert table.agreement().agree(CELL.points, fail(error)) is None
    assert table.dropped() == [(point.key, status) for point in CELL.points]


def test_only_an_error_is_a_failure_and_not_an_interrupt(table: Table) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        table.agreement().agree(CELL.points, interrupted)


def test_a_failure_inside_a_collective_operation_breaks_the_session(table: Table) -> None:
    """With two ranks under `train` the other one waits in an all-reduce: nobody can tell it."""
    cell = cell_of(["eager"], workload="train")
    with pytest.raises(SessionBroken, match="RuntimeError: no"):
        table.agreement(cell, Failing()).attempt(cell.points, fail(RuntimeError("no")))
    assert table.dropped() == [(cell.points[0].key, "failed")], "with its reason all the same"


@pytest.mark.parametrize(("workload", "ranks"), [("forward", Failing()), ("train", Alone())])
def test_where_no_other_rank_waits_it_does_not(table: Table, workload: str, ranks: Any) -> None:
    cell = cell_of(["eager"], workload=workload)
    assert table.agreement(cell, ranks).attempt(cell.points, fail(RuntimeError("no"))) is None


def test_a_device_whose_error_stays_ends_the_session(measure: Measure) -> None:
    error = RuntimeError("CUDA error: unspecified launch failure")
    mode = faulty(lambda model: FailsAfter(model, 0, error))
    with pytest.raises(SessionBroken, match="unspecified launch failure"):
        measure(cell_of(["eager", "faulty"]), mode=mode, device=Asynchronous(broken=True))


def test_a_mode_that_breaks_the_session_is_not_caught_on_its_way(
    measure: Measure, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Alone, "world_size", 2)
    monkeypatch.setitem(modes.MODES, "eager", faulty(refuse))
    with pytest.raises(SessionBroken, match="RuntimeError: this mode cannot be built"):
        measure(cell_of(["faulty"], workload="train"), mode=faulty(refuse))


class TestDescribed:
    def test_an_exception_is_its_type_and_first_line(self) -> None:
        assert described(ValueError("\n first \nsecond")) == "ValueError:  first "

    def test_a_mismatch_is_what_it_says(self) -> None:
        assert described(Mismatch("output differs")) == "output differs"

    def test_one_without_words_is_its_type(self) -> None:
        assert described(KeyboardInterrupt()) == "KeyboardInterrupt"
        assert described(RuntimeError(" \n ")) == "RuntimeError"

    def test_a_long_one_is_cut(self) -> None:
        assert len(described(RuntimeError("x" * 10_000))) < 400


def test_a_mode_that_is_not_what_it_says_is_unsupported_and_breaks_no_session_of_ranks_that_wait(
    table: Table,
) -> None:
    """Under train a failure of one rank leaves others waiting, but not what each looks up by itself."""
    cell = cell_of(["eager", "script"], devices=2, workload="train")

    def unproven() -> None:
        raise Unproven("no graph")

    assert table.agreement(cell, Failing()).agree(cell.points[1:], unproven) is None
    assert table.dropped() == [(cell.points[1].key, "unsupported")]
