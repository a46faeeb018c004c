"""Killed at any point, a sweep loses the cell in flight at most, leaves no process, and can go on."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path

import pandas as pd
import psutil
import pytest
from running import session_processes, wait_until

from benchmarks.on_disk import lines_of

DEPTHS = [2, 3, 4]
# `slow` makes a cell last long enough to be killed in.
PLUGINS = "plugins=[faulty_modes]"
SLOW = (
    "sweep",
    "sweep=smoke",
    "device=cpu",
    PLUGINS,
    "mode=[eager,slow]",
    f"depth={DEPTHS}".replace(" ", ""),
    "batch=[1]",
    "devices=[2]",
    "timing.builds=1",
    "out=run",
)


def ends(run: Path) -> list[str]:
    """Cells that count as measured, once for each time they were."""
    return [r["cell"] for records in lines_of(run).values() for r in records if r["type"] == "end"]


def rounds(run: Path) -> int:
    return sum(1 for records in lines_of(run).values() for r in records if r["type"] == "round")


def wait_for_second_cell(run: Path) -> None:
    """Wait until the first cell is done and the second is being measured."""
    wait_until(lambda: (run / "raw").is_dir() and len(ends(run)) == 1, "the first cell")
    before = rounds(run)
    wait_until(lambda: rounds(run) > before, "a round of the second cell")


def assert_nothing_is_left(run: Path) -> None:
    wait_until(lambda: not session_processes(run), "the end of all processes", seconds=15)


def assert_resumes(harness, run: Path) -> None:
    """What is missing is measured, what was measured is not, and the table is whole."""
    measured = ends(run)
    done = harness("sweep", f"resume={run}", PLUGINS)
    assert done.returncode == 0, done.stdout + done.stderr
    cells = ends(run)
    assert cells[: len(measured)] == measured
    assert len(cells) == len(set(cells)) == len(DEPTHS), "a cell was measured twice, or not at all"
    points = pd.read_csv(run / "points.csv")
    assert list(points["status"]) == ["ok"] * 2 * len(DEPTHS)


@pytest.mark.long
def test_each_signal_to_the_sweep_loses_the_cell_in_flight_at_most(start, harness, tmp_path: Path) -> None:
    """One after the other and on the same run, which must stand each."""
    run = tmp_path / "run"
    process = start(*SLOW)
    wait_for_second_cell(run)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
        measured = ends(run)
        assert len(measured) >= 1
        process.send_signal(number)
        # torchrun by itself would give its ranks 30 s.
        output, _ = process.communicate(timeout=20)
        assert_nothing_is_left(run)
        assert ends(run)[: len(measured)] == measured, number
        if number != signal.SIGKILL:
            assert process.returncode == 128 + number
            assert f"harness sweep resume={run.name} '{PLUGINS}' goes on" in output
            assert len(pd.read_csv(run / "points.csv")) >= 2, "what was measured stands in the table already"
            before = rounds(run)
            process = start("sweep", f"resume={run.name}", PLUGINS)
            wait_until(lambda at_least=before: rounds(run) > at_least, "a round of the cell that was lost")
    assert_resumes(harness, run)


@pytest.mark.long
def test_a_killed_rank_costs_its_cell_and_the_session_goes_on(start, harness, tmp_path: Path) -> None:
    run = tmp_path / "run"
    process = start(*SLOW)
    wait_for_second_cell(run)
    header = next(r for r in lines_of(run)["processes-2-try1-rank1.jsonl"] if r["type"] == "session")
    os.kill(header["pid"], signal.SIGKILL)
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 0, output
    points = pd.read_csv(run / "points.csv").set_index("depth")
    lost = points["status"] == "failed"
    assert points.index[lost].nunique() == 1 and lost.sum() == 2, "the modes of one cell"
    assert points.loc[lost, "error"].str.contains("rank 1 was ended by SIGKILL").all()
    assert list(points.loc[~lost, "status"]) == ["ok"] * 4
    assert_nothing_is_left(run)
    assert_resumes(harness, run)


@pytest.mark.long
def test_everything_killed_at_once_can_go_on(start, harness, tmp_path: Path) -> None:
    run = tmp_path / "run"
    process = start(*SLOW)
    wait_for_second_cell(run)
    for victim in [psutil.Process(process.pid), *session_processes(run)]:
        with contextlib.suppress(psutil.NoSuchProcess):
            victim.kill()
    process.wait(timeout=10)
    assert_nothing_is_left(run)
    # A kill within a write leaves half a line at the end.
    with (run / "raw" / "processes-2-try1-rank0.jsonl").open("ab") as file:
        file.write(b'{"type":"round","cell":"')
    assert_resumes(harness, run)


@pytest.mark.long
def test_killed_while_the_ranks_start_leaves_no_process(start, harness, tmp_path: Path) -> None:
    run = tmp_path / "run"
    process = start(*SLOW)
    wait_until(lambda: len(session_processes(run)) >= 2, "the first rank's process")
    process.kill()
    process.wait(timeout=10)
    assert_nothing_is_left(run)
    time.sleep(1)  # a rank that was being started at that moment would show up now
    assert not session_processes(run)


@pytest.mark.long
def test_a_rank_that_hangs_is_a_timeout_and_the_session_goes_on(harness, tmp_path: Path) -> None:
    run = tmp_path / "run"
    arguments = [a.replace("eager,slow", "eager,hangs") for a in SLOW]
    done = harness(*arguments, "timeout_s=5")
    assert done.returncode == 0, done.stdout + done.stderr
    points = pd.read_csv(run / "points.csv").set_index("depth")
    assert list(points.loc[3, "status"]) == ["timeout"] * 2
    assert points.loc[3, "error"].str.contains("no progress for 5 s").all()
    assert list(points.loc[[2, 4], "status"]) == ["ok"] * 4
    # Where it hung stands in the log.
    assert "in fail" in (run / "harness.log").read_text()
    assert_nothing_is_left(run)


@pytest.mark.long
def test_two_sweeps_cannot_write_to_one_run_directory(start, harness, tmp_path: Path) -> None:
    run = tmp_path / "run"
    # Many cells, so that it still runs however long the second one takes to start.
    many = [a.replace(str(DEPTHS[-1]) + "]", "4,5,6,7,8,9,10,11,12,13,14]") for a in SLOW]
    first = start(*many)
    wait_until(lambda: (run / "config.yaml").exists(), "the first sweep's config")
    second = harness(*many)
    assert second.returncode == 2
    assert "locked by process" in second.stderr
    assert str(first.pid) in second.stderr
    first.send_signal(signal.SIGTERM)
    first.communicate(timeout=30)


@pytest.mark.long
def test_a_failure_under_ddp_costs_the_failing_mode_alone(harness, tmp_path: Path) -> None:
    """Under `train` the other ranks wait inside an all-reduce, where nobody can tell them: the session ends,
    and the cell is measured again without the mode that broke it."""
    run = tmp_path / "run"
    arguments = [a.replace("eager,slow", "eager,raises") for a in SLOW]
    done = harness(*arguments, "workload=[train]")
    assert done.returncode == 0, done.stdout + done.stderr
    points = pd.read_csv(run / "points.csv").set_index(["depth", "mode"])
    assert points.loc[(3, "raises"), "status"] == "failed"
    assert "cannot be built" in points.loc[(3, "raises"), "error"]
    assert points.drop((3, "raises"))["status"].eq("ok").all()
    assert_nothing_is_left(run)
