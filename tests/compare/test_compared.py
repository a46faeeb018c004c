"""Runs of a machine whose noise is known, held against each other: what is called changed, and what is not."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from made_sides import FACTS, MODES, key_of, made_side

from harness.analysis.by_session import SPEEDUP, STEP
from harness.compare.compared import Comparison, OtherMachine, compared
from harness.compare.corrected import verdicts
from harness.compare.disturbed import steady, usual_noise
from harness.compare.moderated import moderated
from harness.compare.ratios import EAGER, OTHER_CELLS, TIMES
from harness.compare.side import Side
from harness.compare.states import States
from harness.core.stats.intervals import Error
from harness.core.stats.verdicts import FASTER, SAME, SLOWER, UNDECIDED

CHANGED = (FASTER, SLOWER)
PAIRS = 60


def beside(a: Side, b: Side, **given: bool) -> Comparison:
    (found,) = compared([a, b], **given)
    return found


def verdict_of(found: Comparison, key: str) -> str:
    return next(row.judged.verdict for row in found.rows if row.key == key)


def through(found: Comparison, key: str) -> str:
    return next(row.through for row in found.rows if row.key == key)


@pytest.mark.parametrize("noise", [{}, {"drift": 0.04, "session_sd": 0.05}, {"disturbed": 0.1}])
def test_of_points_that_did_not_change_at_most_one_in_20_is_called_changed(noise: dict[str, float]) -> None:
    found = [beside(made_side(2 * n, **noise), made_side(2 * n + 1, **noise)) for n in range(PAIRS)]  # type: ignore[arg-type]
    called = [any(verdict in CHANGED for verdict in each.all_verdicts) for each in found]
    assert sum(called) <= PAIRS / 20  # of whole comparisons, not of points


@pytest.mark.parametrize("mode", MODES)
def test_a_planted_change_of_5_percent_is_found_and_nothing_else(mode: str) -> None:
    key, found, others = key_of(3, mode), 0, 0
    for number in range(PAIRS):
        each = beside(made_side(2 * number), made_side(2 * number + 1, slower={key: 1.05}))
        found += verdict_of(each, key) == SLOWER
        others += sum(row.judged.verdict in CHANGED for row in each.rows if row.key != key)
    assert found >= PAIRS * 57 / 60
    assert others <= PAIRS / 20


def test_intervals_hold_what_was_planted() -> None:
    key, held = key_of(3, "script"), 0
    for number in range(PAIRS):
        each = beside(made_side(2 * number), made_side(2 * number + 1, slower={key: 1.05}))
        ratio = next(row.judged.ratio for row in each.rows if row.key == key)
        held += ratio.low <= 1 / 1.05 <= ratio.high
    assert held >= 0.85 * PAIRS


def test_a_change_of_all_is_what_step_times_have_in_common_and_changes_no_point() -> None:
    keys = {key_of(cell, mode): 1.3 for cell in range(8) for mode in MODES}
    found = beside(made_side(0), made_side(1, slower=keys))
    assert found.common is not None and found.common.verdict == SLOWER
    assert not {row.judged.verdict for row in found.rows} & set(CHANGED)


def test_an_eager_that_changed_is_no_reference_to_the_modes_of_its_cell() -> None:
    found = beside(made_side(0), made_side(1, slower={key_of(3, "eager"): 1.1}))
    assert verdict_of(found, key_of(3, "eager")) == SLOWER
    assert through(found, key_of(3, "script")) == OTHER_CELLS
    assert verdict_of(found, key_of(3, "script")) not in CHANGED


@pytest.mark.parametrize("mode", MODES)
def test_what_did_not_change_in_a_cell_is_not_called_for_what_did(mode: str) -> None:
    """Where cells differ by 1 % from run to run, an eager that was 5 % slower was a script that was 5 % faster in
    every third comparison."""
    key, others = key_of(3, mode), [key_of(3, other) for other in MODES if other != mode]
    found = wrong = 0
    for number in range(PAIRS):
        sides = [
            made_side(2 * number, cell_sd=0.01),
            made_side(2 * number + 1, cell_sd=0.01, slower={key: 1.05}),
        ]
        each = beside(*sides)
        found += verdict_of(each, key) == SLOWER
        wrong += any(verdict_of(each, other) in CHANGED for other in others)
    assert found >= PAIRS * 0.85
    assert wrong <= PAIRS * 0.2


def test_a_cell_whose_points_all_changed_is_held_against_other_cells() -> None:
    both = {key_of(3, mode): 1.1 for mode in MODES}
    found = beside(made_side(0), made_side(1, slower=both))
    assert {through(found, key) for key in both} == {OTHER_CELLS}
    assert {verdict_of(found, key) for key in both} == {SLOWER}


def test_eager_is_held_against_step_times_where_there_are_few_other_cells() -> None:
    found = beside(made_side(0, cells=3), made_side(1, cells=3))
    assert {row.through for row in found.rows if row.axes["mode"] == "eager"} == {TIMES}
    assert {row.through for row in found.rows if row.axes["mode"] == "script"} == {EAGER}


def test_what_cells_differ_by_from_run_to_run_is_in_the_interval() -> None:
    def width(cell_sd: float) -> float:
        found = beside(made_side(0, cell_sd=cell_sd), made_side(1, cell_sd=cell_sd))
        return sum(row.judged.ratio.relative_half_width for row in found.rows if row.through == OTHER_CELLS)

    assert width(0.03) > 2 * width(0.0)


def test_what_cells_differ_by_makes_few_false_calls() -> None:
    """The median of 8 cells was taken to know it as well as their squares would: 13 of 120 had one."""
    pairs = [[made_side(2 * n + both, cell_sd=0.01) for both in (0, 1)] for n in range(2 * PAIRS)]
    called = [any(verdict in CHANGED for verdict in beside(*sides).all_verdicts) for sides in pairs]
    assert sum(called) <= 2 * PAIRS / 15


def test_the_drift_of_both_runs_is_in_the_interval_of_step_times() -> None:
    sides = [made_side(number, cells=3, drift=0.05) for number in (0, 1)]
    row = next(row for row in beside(*sides).rows if row.through == TIMES)
    assert row.judged.ratio.relative_half_width > 0.05 * math.sqrt(2)


def test_one_session_has_no_interval_and_no_verdict() -> None:
    found = beside(
        made_side(0, sessions=1, drift=0.0), made_side(1, sessions=1, slower={key_of(3, "script"): 3.0})
    )
    assert set(found.all_verdicts) == {UNDECIDED}
    assert found.overall is None


def test_the_ratio_is_of_speeds_and_the_impact_in_microseconds_of_a() -> None:
    found = beside(made_side(0), made_side(1, slower={key_of(7, "script"): 2.0, key_of(0, "script"): 2.0}))
    large, small = found.movers
    assert (large.key, small.key) == (key_of(7, "script"), key_of(0, "script"))
    assert large.judged.ratio.estimate == pytest.approx(0.5, rel=0.05)
    assert large.impact_us == pytest.approx(large.a_us, rel=0.1)


def test_several_runs_are_held_against_the_first_and_corrected_together() -> None:
    sides = [made_side(0), made_side(1), made_side(2, slower={key_of(3, "script"): 1.1})]
    first, second = compared(sides)
    assert verdict_of(first, key_of(3, "script")) not in CHANGED
    assert verdict_of(second, key_of(3, "script")) == SLOWER


def test_a_run_of_another_machine_is_refused_with_the_reason() -> None:
    other = made_side(1, facts={**FACTS, "host": "node2"})
    with pytest.raises(OtherMachine, match="another machine \\(host: node1 in A, node2 in B\\)"):
        compared([made_side(0), other])
    found = beside(made_side(0), other, across_machines=True)
    assert not found.is_change and {row.through for row in found.rows} == {TIMES} and found.common is None


def test_emulated_and_real_are_two_machines() -> None:
    with pytest.raises(OtherMachine, match="one is modelled, the other measured"):
        compared([made_side(0), made_side(1, facts={**FACTS, "device kind": "emulated"})])


def test_what_differs_is_named_and_no_reason_to_refuse() -> None:
    found = beside(made_side(0), made_side(1, facts={**FACTS, "torch": "2.13.0", "governor": "powersave"}))
    assert found.differences == (("torch", "2.14.1", "2.13.0"), ("governor", "-", "powersave"))


def test_what_is_left_out_says_why() -> None:
    changes = {
        key_of(0, "script"): {"status": "oom"},
        key_of(1, "script"): {"warnings": "throttled"},
        key_of(2, "script"): {"warnings": "loaded"},
    }
    found = beside(made_side(0, cells=8), made_side(1, cells=7, changes=changes))
    why = {each.key: each.why for each in found.left_out}
    assert why == {
        key_of(0, "script"): "oom in B",
        key_of(1, "script"): "throttled in B alone",
        key_of(7, "eager"): "not in B",
        key_of(7, "script"): "not in B",
    }
    assert any("loaded" in note and "1 in B alone" in note for note in found.notes)
    assert len(found.rows) == 12


def test_what_a_driver_measured_is_not_held_against_what_ranks_did() -> None:
    """`here` has one key, whoever measured it; under train ranks have DistributedDataParallel and drivers have not."""
    another = {"key": "another", "environment": "py312"}
    driven = made_side(1, changes={key_of(0, "script"): another})
    found = beside(made_side(0), driven)
    assert not found.rows
    assert {each.why for each in found.left_out if each.key == key_of(1, "eager")} == {
        "measured by a driver in B alone"
    }
    both = beside(made_side(0, changes={key_of(0, "script"): another}), driven)
    assert len(both.rows) == 16 and not both.left_out


def test_where_two_builds_of_the_same_differ_by_much_nothing_is_told() -> None:
    found = beside(made_side(0, null_sd=0.1), made_side(1, slower={key_of(3, "script"): 2.0}))
    assert set(found.all_verdicts) == {UNDECIDED}


def test_a_table_alone_says_of_modes_what_its_run_does() -> None:
    a, b = made_side(0), made_side(1, slower={key_of(3, "script"): 1.1})
    table = beside(*(replace(side, by_session={}) for side in (a, b)))
    whole = beside(a, b)
    for key in (key_of(2, "script"), key_of(3, "script")):
        ours, theirs = (next(row for row in found.rows if row.key == key) for found in (table, whole))
        assert ours.through == theirs.through == EAGER
        assert ours.judged.ratio.estimate == pytest.approx(theirs.judged.ratio.estimate)
        assert ours.judged.ratio.low == pytest.approx(theirs.judged.ratio.low, rel=1e-6)
    assert {row.through for row in table.rows if row.axes["mode"] == "eager"} == {TIMES}


def test_of_many_comparisons_of_nothing_one_in_20_families_has_a_change() -> None:
    import numpy as np

    chance = np.random.default_rng(0)
    called = 0
    for _ in range(400):
        # Wide beside the threshold of 1 %, which protects from smaller differences by itself.
        found = verdicts([(Error(math.exp(log), 0.05, 1e9), 0.0) for log in chance.normal(0, 0.05, 50)])
        called += any(each in CHANGED for each in found)
    assert 0.02 <= called / 400 <= 0.08  # 5 %, and two standard deviations of 400


def test_a_verdict_is_of_the_one_rule_when_there_is_one_comparison() -> None:
    assert verdicts([(Error(1.10, 0.01, 1e9), 0.0)]) == [FASTER]
    assert verdicts([(Error(0.90, 0.01, 1e9), 0.0)]) == [SLOWER]
    assert verdicts([(Error(1.00, 0.001, 1e9), 0.0)]) == [SAME]
    assert verdicts([(Error(1.03, 0.011, 1e9), 0.0)]) == [UNDECIDED]
    assert verdicts([(Error(2.0, math.nan, 0), 0.0)]) == [UNDECIDED]


def test_what_stands_out_among_few_does_not_among_many() -> None:
    """A verdict of either is by the interval that is printed."""
    error, nothing = Error(1.04, 0.012, 1e9), Error(1.0, 0.012, 1e9)
    assert verdicts([(error, 0.0)]) == [FASTER]
    assert verdicts([(error, 0.0), *[(nothing, 0.0)] * 99])[0] == UNDECIDED


def test_a_large_change_makes_room_for_the_next() -> None:
    """Holm's step: of four, the second is held against 1 as if they were three."""
    nothing, next_one = [(Error(1.0, 0.02, 1e9), 0.0)] * 2, (Error(1.06, 0.0239, 1e9), 0.0)
    assert verdicts([(Error(2.0, 0.01, 1e9), 0.0), *nothing, next_one])[-1] == FASTER
    assert verdicts([nothing[0], *nothing, next_one])[-1] == UNDECIDED


def test_points_lend_each_other_degrees_of_freedom_where_their_noise_is_alike() -> None:
    import numpy as np

    chance = np.random.default_rng(0)
    alike = {str(n): Error(1.0, 0.01 * math.sqrt(chance.chisquare(4) / 4), 4.0) for n in range(200)}
    leaning = moderated(alike)
    assert all(error.dof == pytest.approx(12) for error in leaning.values())
    apart = {str(n): Error(1.0, math.exp(chance.normal(math.log(0.01), 1.5)), 4.0) for n in range(200)}
    assert all(error.dof < 5.5 for error in moderated(apart).values())
    few = dict(list(alike.items())[:3])
    assert moderated(few) == few


@pytest.mark.parametrize("count", [5, 6, 9, 20])
def test_the_state_of_a_session_is_the_median_over_all_other_cells(count: int) -> None:
    from statistics import median

    import numpy as np

    values = np.random.default_rng(count).integers(1, 8, count).astype(float)
    times = {str(cell): {"s": float(value)} for cell, value in enumerate(values)}
    usual = {cell: {"s": 1.0} for cell in times}
    for cell, own in times.items():
        others = [each["s"] for name, each in times.items() if name != cell]
        found = States(usual, times).speed(cell, {"s": 1.0}, own)
        assert found is not None and found.error.estimate == pytest.approx(median(others) / own["s"])


def test_a_session_in_which_a_point_was_disturbed_is_left_out_and_counted() -> None:
    """As an hour of measurements has them: 1 % beside each other, and once 40 % off."""
    usual = [[1.0, 1.01, 0.99, 1.005, 0.995], [2.0, 2.02, 1.99, 2.01, 1.98]]
    noise = usual_noise([*usual, [3.0, 3.03, 4.2, 2.98, 3.01]])
    assert noise == pytest.approx(0.01, rel=0.5)
    found = steady([3.0, 3.03, 4.2, 2.98, 3.01], noise)
    assert (found.disturbed, found.error.dof) == (1, 3)
    assert found.error.estimate == pytest.approx(3.0, rel=0.01)
    assert steady(usual[0], noise).disturbed == 0
    # Of five, two are not disturbed: that is how unsteady it is.
    assert steady([3.0, 3.03, 4.2, 4.3, 3.01], noise) == steady([3.0, 3.03, 4.2, 4.3, 3.01], 0.0)


def test_a_disturbed_session_hides_no_change_and_makes_none() -> None:
    one = {key_of(3, "script"): 1.0}
    a, b = made_side(0, slower=one), made_side(1, slower={key_of(3, "script"): 1.05})
    for side in (a, b):
        _disturb(side, key_of(3, "script"), STEP, 1.4)
        _disturb(side, key_of(3, "script"), SPEEDUP, 1 / 1.4)
        _disturb(side, key_of(5, "eager"), STEP, 1.4)
        _disturb(side, key_of(5, "script"), SPEEDUP, 1.4)
    found = beside(a, b)
    assert verdict_of(found, key_of(3, "script")) == SLOWER
    assert verdict_of(found, key_of(5, "eager")) not in CHANGED
    assert verdict_of(found, key_of(5, "script")) not in CHANGED
    disturbed = {row.key for row in found.rows if row.disturbed}
    assert {key_of(3, "script"), key_of(5, "eager")} <= disturbed
    # Held against an eager that was.
    assert disturbed <= {key_of(3, "script"), key_of(5, "eager"), key_of(5, "script")}


def _disturb(side: Side, key: str, quantity: str, factor: float) -> None:
    values = side.by_session[key].values[quantity]
    values["s2"] *= factor  # type: ignore[index]
