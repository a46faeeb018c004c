"""On machines with known times, noise and drift, a duel concludes what is true."""

from __future__ import annotations

from collections import Counter

import pytest
from fake_drivers import Machine, arms, cell, constant

from harness.core.stats.verdicts import FASTER, SAME, SLOWER, UNDECIDED
from harness.duel.contrasts import INTERACTION, OF_A_DUEL, RATIO, of_swaps
from harness.duel.judged import Judgement
from harness.duel.repeat import Rules
from harness.duel.run import Duelled, duel
from harness.duel.swaps import FRAMEWORK, PYTHON, REST, sentence

RULES = Rules(block_ns=2e6, rounds=40, warm_s=0.5)
CELLS = (cell(depth=4), cell(depth=16))
STEP = 1e5
TIMES = 60


def once(seed: int, of_b: float, *, process: float = 0.006, drift: float = 0.1) -> Duelled:
    """of_b: its times over A's."""
    machine = Machine(1000 + seed, drift=drift)
    both = arms(machine, process=process, a=constant(STEP), b=constant(STEP * of_b))
    return duel(both, OF_A_DUEL, CELLS, RULES, limit_s=120, seed=seed, clock=machine)


def overall(found: Duelled) -> Judgement:
    assert found.overall is not None
    return found.overall


@pytest.mark.parametrize("process", [0.003, 0.006, 0.02])
def test_a_copy_of_itself_is_not_called_faster_or_slower(process: float) -> None:
    found = Counter(overall(once(seed, 1.0, process=process)).found[RATIO].verdict for seed in range(TIMES))
    assert found[SAME] + found[UNDECIDED] >= 57, found


def test_nor_is_any_single_cell_of_it() -> None:
    verdicts = Counter(
        row.judgement.found[RATIO].verdict
        for seed in range(TIMES)
        for row in once(seed, 1.0).rows
        if row.judgement
    )
    assert verdicts[SAME] + verdicts[UNDECIDED] >= 0.95 * verdicts.total(), verdicts


@pytest.mark.parametrize(("of_b", "verdict"), [(1.03, SLOWER), (1 / 1.03, FASTER)])
def test_three_per_cent_are_found(of_b: float, verdict: str) -> None:
    found = Counter(overall(once(seed, of_b)).found[RATIO].verdict for seed in range(TIMES))
    assert found[verdict] >= 57, found


def test_a_machine_whose_pace_wanders_by_a_third_hides_nothing() -> None:
    found = Counter(overall(once(seed, 1.03, drift=0.3)).found[RATIO].verdict for seed in range(20))
    assert found[SLOWER] >= 18, found


def test_its_intervals_hold_the_truth_however_often_it_looked() -> None:
    held = 0
    for seed in range(TIMES):
        ratio = overall(once(seed, 1.015)).found[RATIO].ratio
        held += ratio.low <= 1 / 1.015 <= ratio.high
    assert held >= 55


def test_where_processes_differ_by_much_nothing_is_decided() -> None:
    found = Counter(overall(once(seed, 1.01, process=0.08)).found[RATIO].verdict for seed in range(20))
    assert found[UNDECIDED] >= 18, found


def test_what_is_plain_takes_fewer_repeats_than_what_is_close() -> None:
    plain, close = once(1, 2.0), once(1, 1.01)
    assert plain.repeats < close.repeats
    assert plain.stop == "all is decided"


SWAPS = {PYTHON: "p", FRAMEWORK: "t", REST: "r"}


def bisected(seed: int, *, python: float, torch: float, rest: float, together: float = 1.0) -> Judgement:
    """What each component's swap multiplies A's times by, and what all of them do beyond that."""
    machine = Machine(seed)
    of_all = python * torch * rest * together
    swapped = {"p": constant(STEP * python), "t": constant(STEP * torch), "r": constant(STEP * rest)}
    both = arms(machine, a=constant(STEP), b=constant(STEP * of_all), **swapped)
    contrasts = [*OF_A_DUEL, *of_swaps(SWAPS)]
    return overall(duel(both, contrasts, CELLS[:1], RULES, limit_s=240, seed=seed, clock=machine))


def test_the_component_that_carries_the_difference_is_named() -> None:
    for seed in range(5):
        said = sentence(bisected(seed, python=1.0, torch=1.0, rest=1.06))
        assert said.startswith(f"The difference is carried by {REST} ("), said
        assert f"by {PYTHON} (" not in said and "an interaction" not in said, said


def test_two_that_take_each_other_back_are_both_named() -> None:
    found = bisected(1, python=1.1, torch=1 / 1.1, rest=1.0)
    assert found.found[PYTHON].verdict == SLOWER and found.found[FRAMEWORK].verdict == FASTER
    assert found.found[RATIO].verdict in (SAME, UNDECIDED)
    assert PYTHON in sentence(found) and FRAMEWORK in sentence(found)


def test_what_only_all_of_them_together_do_is_an_interaction() -> None:
    found = bisected(2, python=1.0, torch=1.0, rest=1.0, together=1.2)
    assert found.found[INTERACTION].verdict == SLOWER
    assert "an interaction" in sentence(found)
    assert all(found.found[name].verdict in (SAME, UNDECIDED) for name in SWAPS)
