"""How ranks agree: two real processes vote and gather; one alone needs nobody."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
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

VOTES = """
nobody, one, all_of_them = ranks.any(False), ranks.any(ranks.rank == 1), ranks.any(True)
gathered = ranks.gather([ranks.rank + 0.25, 2.0**60 + 2.0**9, float("nan") if ranks.rank == 1 else 7.0])
empty = ranks.gather([])
if ranks.rank == 0:
    time.sleep(1.0)
arrived = time.monotonic()
ranks.barrier()
left = time.monotonic()
tell(votes=[nobody, one, all_of_them], gathered=[[repr(v) for v in row] for row in gathered], empty=empty,
     arrived=arrived, left=left)
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


def run(code: str, store: Path, world: int, seconds: float = 60) -> list[dict[str, Any]]:
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


def test_nothing_gathered_is_nothing_from_each(two: list[dict[str, Any]]) -> None:
    assert [rank["empty"] for rank in two] == [[[], []]] * 2


def test_nobody_leaves_a_barrier_before_the_last_has_come(two: list[dict[str, Any]]) -> None:
    """The clock is one for all processes of a machine."""
    assert min(rank["left"] for rank in two) >= max(rank["arrived"] for rank in two)


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
    (found,) = run("tell(met=True)", folder / "store", 1, seconds=20)
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
        begin = time.monotonic()
        first.communicate(timeout=60)
        assert first.returncode not in (0, None)
        assert time.monotonic() - begin < 60
    finally:
        for process in processes:
            process.kill()
            process.communicate()
