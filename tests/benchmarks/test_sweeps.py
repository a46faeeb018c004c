"""What benchmarks read of a run: single rounds, of every rank the slowest."""

from __future__ import annotations

from pathlib import Path

from raw_runs import RawRun, cell_of, key_of

from benchmarks.sweeps import NULL, rounds, timing

CELL = cell_of()
EAGER, SCRIPT = key_of(CELL, "eager"), key_of(CELL, "script")


def block(key: str, step_us: float, steps: int = 2) -> dict[str, object]:
    return {"key": key, "steps": steps, "start_ns": 10_000, "end_ns": 10_000 + round(step_us * steps * 1e3)}


def test_a_round_is_that_of_the_slowest_rank_and_keeps_its_build_and_visit(tmp_path: Path) -> None:
    run = RawRun(tmp_path / "run")
    run.plan(CELL)
    writers = run.begin("s", ranks=2)
    for rank, writer in enumerate(writers):
        blocks = [block(EAGER, 30 + rank), block(SCRIPT, 11 - rank), block(EAGER + ".null", 31)]
        writer.write("round", cell=CELL.id, build=1, visit=2, round=7, blocks=blocks)
        writer.close()
    table = rounds(tmp_path / "run").set_index("mode")
    assert table["step_us"].to_dict() == {"eager": 31, "script": 11, NULL: 31}
    assert table[["build", "visit", "round"]].drop_duplicates().to_numpy().tolist() == [[1, 2, 7]]
    assert table["label"].unique().tolist() == ["forward 1x depth 2 width 8 batch 10"]


def test_a_round_that_a_rank_lacks_is_left_out(tmp_path: Path) -> None:
    run = RawRun(tmp_path / "run")
    run.plan(CELL)
    for rank, writer in enumerate(run.begin("s", ranks=2)):
        for number in range(2 - rank):
            writer.write("round", cell=CELL.id, round=number, blocks=[block(EAGER, 30)])
        writer.close()
    assert rounds(tmp_path / "run")["round"].tolist() == [0]


def test_timing_is_overridden_by_name() -> None:
    assert timing("quick", block_ms=3) == ["timing=quick", "timing.block_ms=3"]
