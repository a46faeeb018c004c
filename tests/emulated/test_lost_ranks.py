"""Ranks that die, give up or never come: whoever waits for them in a call ends with an error and not never.

A time limit here guards against a hang only (Program.end).
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from bare import Program
from communicators import NCCL, left_behind, said_by_ranks
from node import variables

SUCCESS, UNHANDLED, REMOTE = 0, 1, 6  # ncclSuccess, ncclUnhandledCudaError, ncclRemoteError

# A call's own answer, which `join` and `split` assert to be a good one.
ANSWERS = (
    NCCL
    + """
import threading

def split_of(whole):
    made = ctypes.c_void_p(1)
    return library.ncclCommSplit(whole, 0, rank, ctypes.byref(made), None), made.value
"""
)
JOINS = "whole = join('whole', 2, rank)\nsay('joined')\n"
WAITS = "sys.stdin.readline()\n"
# Within a group, so that it can be said that this rank has joined before it waits for the others.
JOINS_IN_A_GROUP = """
library.ncclGroupStart()
whole = join('whole', 3, rank)
say('joined')
ended = library.ncclGroupEnd()
library.ncclCommAbort(whole)
say(ended)
"""


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    return variables(tmp_path)


@contextmanager
def pair(environment: dict[str, str], first: str, second: str) -> Iterator[tuple[Program, Program]]:
    """Rank 0 and rank 1, each with a program of its own, once both have joined; killed in the end."""
    with (
        Program(ANSWERS + first, environment, "0") as one,
        Program(ANSWERS + second, environment, "1") as other,
    ):
        assert [one.hears(), other.hears()] == ["joined", "joined"]
        yield one, other


def last_said(program: Program) -> object:
    return json.loads(program.end().splitlines()[-1])


@pytest.mark.parametrize("queued", ["", "reduce(number(1), whole)\n"], ids=["alone", "behind a collective"])
@pytest.mark.parametrize("when", ["before", "meanwhile"])
def test_a_split_ends_when_a_rank_dies(environment: dict[str, str], queued: str, when: str) -> None:
    splits = JOINS + queued + WAITS + "say('splits')\nsay(split_of(whole))"
    with pair(environment, splits, JOINS + WAITS) as (one, other):
        if when == "before":
            other.kill()
        one.tell()
        assert one.hears() == "splits"
        other.kill()
        assert last_said(one) == [REMOTE, None]


def test_a_split_ends_when_another_rank_gives_the_communicator_up(environment: dict[str, str]) -> None:
    gives_up = JOINS + "library.ncclCommAbort(whole)\n" + WAITS
    with pair(environment, JOINS + "say(split_of(whole))", gives_up) as (one, _):
        assert last_said(one) == [REMOTE, None]


def test_a_split_ends_when_its_own_process_gives_the_communicator_up(environment: dict[str, str]) -> None:
    # In another thread, as PyTorch's watchdog does. The handle is gone by the time that the split returns.
    aborts = JOINS + "threading.Timer(0.2, library.ncclCommAbort, [whole]).start()\nsay(split_of(whole))"
    with pair(environment, aborts, JOINS + WAITS) as (one, _):
        assert last_said(one) == [UNHANDLED, None]


def test_joining_ends_when_a_rank_that_had_come_dies(environment: dict[str, str], tmp_path: Path) -> None:
    # The third rank never comes.
    with pair(environment, JOINS_IN_A_GROUP, JOINS_IN_A_GROUP) as (one, other):
        other.kill()
        assert last_said(one) == REMOTE
    assert left_behind(tmp_path) == []


def test_joining_ends_when_a_rank_gives_up(environment: dict[str, str]) -> None:
    gives_up = (
        "library.ncclGroupStart()\n" + JOINS.replace("2", "3") + "library.ncclCommAbort(whole)\n" + WAITS
    )
    with pair(environment, JOINS_IN_A_GROUP, gives_up) as (one, _):
        assert last_said(one) == REMOTE


def test_joining_ends_when_a_rank_never_comes(environment: dict[str, str], tmp_path: Path) -> None:
    code = """
made = ctypes.c_void_p(1)
say(library.ncclCommInitRank(ctypes.byref(made), 2, Id(b"whole"), 0), made.value)
"""
    with Program(NCCL + code, {**environment, "EMULATOR_NCCL_WAIT_S": "0.2"}) as alone:
        assert last_said(alone) == [REMOTE, None]
    assert left_behind(tmp_path) == []


def test_a_split_ends_when_a_rank_never_comes_to_it(environment: dict[str, str]) -> None:
    code = """
made = (ctypes.c_void_p * 2)()
assert library.ncclCommInitAll(made, 2, None) == 0
say(split_of(ctypes.c_void_p(made[0])))
"""
    with Program(ANSWERS + code, {**environment, "EMULATOR_NCCL_WAIT_S": "0.2"}) as alone:
        assert last_said(alone) == [REMOTE, None]


def test_ranks_that_have_done_their_part_and_left_are_not_missed(environment: dict[str, str]) -> None:
    # The others may find their process gone, or their communicator, before they find the round complete.
    code = """
answers = []
for each in range(30):
    whole = join(f"whole {each}", 3, rank)
    answers.append(library.ncclCommSplit(whole, -1, 0, ctypes.byref(ctypes.c_void_p()), None))
    library.ncclCommDestroy(whole)
say(answers)
"""
    assert said_by_ranks(code, environment, 3) == [[SUCCESS] * 30] * 3


@pytest.mark.parametrize("limit", ["0", "-1", "soon", "1s"])
def test_a_limit_that_makes_no_sense_is_refused(environment: dict[str, str], limit: str) -> None:
    code = "whole = join('whole', 2, 0)"
    done = subprocess.run(
        [sys.executable, "-c", NCCL + code],
        env={**environment, "EMULATOR_NCCL_WAIT_S": limit},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 1
    assert done.stderr == f"emulator: EMULATOR_NCCL_WAIT_S={limit} is refused; allowed: seconds above 0\n"
