"""How ranks agree: two real processes vote and gather; one alone needs nobody."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from running import python_path

from harness.launch.torchrun import session_variables

RANK = """
import json, sys, time
from pathlib import Path
import torch
torch.set_num_threads(1)
from harness.worker.ranks import Ranks
ranks = Ranks(Path(sys.argv[1]), torch.device("cpu"))
def tell(**found):
    print(json.dumps({"rank": ranks.rank, **found}), flush=True)
"""

# Rank 0 comes to the barrier only after it has left word of it, and leaves word only when rank 1 has left the barrier
# or time enough to do so: who left without waiting would not find that word.
BARRIER = """
came, left = (Path(sys.argv[1]).with_name(name) for name in ("came", "left"))
if ranks.rank == 0:
    end = time.monotonic() + patience_s
    while not left.exists() and time.monotonic() < end:
        time.sleep(0.01)
    came.touch()
ranks.barrier()
had_come = came.exists()
left.touch()
tell(had_come=had_come)
ranks.close()
"""

VOTES = """
nobody, one, all_of_them = ranks.any(False), ranks.any(ranks.rank == 1), ranks.any(True)
gathered = ranks.gather([ranks.rank + 0.25, 2.0**60 + 2.0**9, float("nan") if ranks.rank == 1 else 7.0])
empty = ranks.gather([])
most = ranks.most(3.0 - ranks.rank)
tell(votes=[nobody, one, all_of_them], most=most, gathered=[[repr(v) for v in row] for row in gathered], empty=empty)
ranks.close()
"""


def start(code: str, store: Path, world: int) -> list[subprocess.Popen[str]]:
    return [
        subprocess.Popen(
            [sys.executable, "-c", RANK + code, str(store)],
            env={
                **os.environ,
                **session_variables(1),
                "PYTHONPATH": python_path(),
                "RANK": str(rank),
                "LOCAL_RANK": str(rank),
                "WORLD_SIZE": str(world),
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(world)
    ]


def run(code: str, store: Path, world: int, seconds: float = 120) -> list[dict[str, Any]]:
    """What each rank told, by rank."""
    processes = start(code, store, world)
    try:
        found = []
        for process in processes:
            output, errors = process.communicate(timeout=seconds)
            assert process.returncode == 0, errors
            found.append(json.loads(output))
        return sorted(found, key=lambda each: each["rank"])
    finally:
        for process in processes:
            process.kill()
            process.communicate()


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    return run(VOTES, tmp_path_factory.mktemp("ranks") / "store", 2)


def test_a_vote_is_whether_anybody_says_yes_and_all_hear_the_same(two: list[dict[str, Any]]) -> None:
    assert [rank["votes"] for rank in two] == [[False, True, True]] * 2


def test_everybody_gets_everybodys_values_in_the_order_of_ranks(two: list[dict[str, Any]]) -> None:
    """To the last bit: nanoseconds of the clock need more than single precision. NaN means failed."""
    large = repr(2.0**60 + 2.0**9)
    assert two[0]["gathered"] == [["0.25", large, "7.0"], ["1.25", large, "nan"]]
    assert two[1]["gathered"] == two[0]["gathered"]


def test_what_one_has_measured_all_go_by_the_largest(two: list[dict[str, Any]]) -> None:
    assert [rank["most"] for rank in two] == [3.0, 3.0]


def test_nothing_gathered_is_nothing_from_each(two: list[dict[str, Any]]) -> None:
    assert [rank["empty"] for rank in two] == [[[], []]] * 2


def test_nobody_leaves_a_barrier_before_the_last_has_come(tmp_path: Path) -> None:
    first, second = run(f"patience_s = 0.5{BARRIER}", tmp_path / "store", 2)
    assert (first["had_come"], second["had_come"]) == (True, True)


def test_a_barrier_at_which_nobody_waits_is_found_out(tmp_path: Path) -> None:
    """By the very check above, which would prove nothing otherwise."""
    code = f"ranks.barrier = lambda: None\npatience_s = 100{BARRIER}"
    first, second = run(code, tmp_path / "store", 2)
    assert (first["had_come"], second["had_come"]) == (True, False)


AHEAD_NS = 10**18  # 30 years


def test_a_clock_that_goes_ahead_on_another_node_is_laid_over_rank_0s(tmp_path: Path) -> None:
    """Off by half an exchange at most, which is nothing to the 30 years between the two clocks."""
    code = f"""
ranks.spans_nodes = True
if ranks.rank == 1:
    own = time.monotonic_ns
    time.monotonic_ns = lambda: own() + {AHEAD_NS}
tell(offset=ranks.clock_offset_ns())
ranks.close()
"""
    first, second = run(code, tmp_path / "store", 2)
    assert first["offset"] == 0
    assert second["offset"] == pytest.approx(-AHEAD_NS, rel=1e-6)


def test_within_a_node_there_is_one_clock(tmp_path: Path) -> None:
    (alone,) = run("tell(offset=ranks.clock_offset_ns())", tmp_path / "store", 1)
    assert alone["offset"] == 0


def test_one_rank_needs_nobody(tmp_path: Path) -> None:
    code = (
        "tell(votes=[ranks.any(False), ranks.any(True)], gathered=ranks.gather([1.5, 2.5]), "
        "barrier=ranks.barrier())"
    )
    (found,) = run(code, tmp_path / "store", 1)
    assert found == {"rank": 0, "votes": [False, True], "gathered": [[1.5, 2.5]], "barrier": None}


def test_the_folder_where_ranks_meet_may_have_any_name(tmp_path: Path) -> None:
    """A run directory is named by its user; characters that a URL would encode must not matter."""
    folder = tmp_path / "my runs, 100% ünï #1?"
    folder.mkdir()
    (found,) = run("tell(met=True)", folder / "store", 1)
    assert found["met"]
    assert (folder / "store").exists()


def test_a_rank_that_dies_is_noticed_by_those_who_wait_for_it(tmp_path: Path) -> None:
    """The wait is 24 hours long at most; a dead rank must not take that long."""
    code = "tell(here=True)\nif ranks.rank == 1: time.sleep(600)\nranks.barrier()"
    first, second = processes = start(code, tmp_path / "store", 2)
    try:
        assert second.stdout is not None
        assert second.stdout.readline()
        second.kill()
        first.communicate(timeout=60)  # raises where it waits on
        assert first.returncode not in (0, None)
    finally:
        for process in processes:
            process.kill()
            process.communicate()
