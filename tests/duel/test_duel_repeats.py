"""How a duel goes: fresh processes in random order, rounds of all, and what fails alone."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest
from fake_drivers import A_AGAIN, A, B, FakeDriver, Machine, arms, cell, constant, failing

from harness.core.errors import HarnessError
from harness.duel.contrasts import INTERACTION, NULL, OF_A_DUEL, RATIO, Contrast, of_swaps
from harness.duel.driven import Arm, DriverError, Task
from harness.duel.repeat import Failed, Measured, Rules, one_repeat
from harness.duel.run import Duelled, duel

RULES = Rules(block_ns=2e6, rounds=6, warm_s=0.5)
EAGER, SCRIPT = cell("eager"), cell("script")


def held(both: list[Arm], machine: Machine, *, limit_s: float = 40.0) -> Duelled:
    return duel(both, OF_A_DUEL, [EAGER, SCRIPT], RULES, limit_s=limit_s, clock=machine)


def test_each_repeat_starts_every_arm_anew_and_ends_all() -> None:
    machine, log = Machine(0), []
    both = arms(machine, log=log, a=constant(1e5), b=constant(2e5))
    found = held(both, machine)
    assert Counter(log) == {
        A: found.repeats,
        A_AGAIN: found.repeats,
        B: found.repeats,
        "closed": 3 * found.repeats,
    }


def test_the_order_in_which_they_start_is_drawn() -> None:
    machine = Machine(0)
    orders = set()
    for seed in range(20):
        log: list[str] = []
        both = arms(machine, log=log, a=constant(1e5), b=constant(1e5))
        one_repeat(both, OF_A_DUEL, [EAGER], RULES, random.Random(seed))
        orders.add(tuple(log[:3]))
    assert len(orders) > 3


def test_every_round_visits_all_with_the_same_number_of_steps_after_a_lead(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    visits: list[tuple[FakeDriver, int, int]] = []
    block = FakeDriver.block

    def noted(self: FakeDriver, steps: int, lead: int) -> float:
        visits.append((self, steps, lead))
        return block(self, steps, lead)

    monkeypatch.setattr(FakeDriver, "block", noted)
    machine = Machine(0)
    one_repeat(arms(machine, a=constant(1e5), b=constant(3e5)), OF_A_DUEL, [EAGER], RULES, random.Random(0))
    assert len(visits) == 3 * RULES.rounds
    assert len({steps for _, steps, _ in visits}) == 1
    assert all(lead >= 1 for *_, lead in visits)
    rounds = [visits[at : at + 3] for at in range(0, len(visits), 3)]
    assert all(len({id(driver) for driver, *_ in each}) == 3 for each in rounds)
    assert len({tuple(id(driver) for driver, *_ in each) for each in rounds}) > 1


def test_every_build_is_prepared_anew_in_all_and_its_rounds_count(monkeypatch: pytest.MonkeyPatch) -> None:
    prepared: list[FakeDriver] = []
    prepare = FakeDriver.prepare

    def noted(self: FakeDriver, task: Task) -> tuple[list[float], ...]:
        prepared.append(self)
        return prepare(self, task)

    monkeypatch.setattr(FakeDriver, "prepare", noted)
    both = arms(Machine(0), a=constant(1e5), b=constant(1e5))
    one_repeat(both, OF_A_DUEL, [EAGER, SCRIPT], replace(RULES, builds=4), random.Random(0))
    assert len(prepared) == 3 * 2 * 4
    assert set(Counter(map(id, prepared)).values()) == {2 * 4}


def test_what_an_arm_cannot_do_is_a_row_and_the_other_cells_go_on() -> None:
    machine = Machine(0)
    b = failing("unsupported", "no such mode", mode="script")
    found = held(arms(machine, a=constant(1e5), b=b), machine)
    eager, script = found.rows
    assert script.failed == Failed("unsupported", "b: no such mode")
    assert eager.judgement is not None and script.judgement is None
    assert found.overall is not None


def test_after_a_failure_the_next_cell_gets_a_fresh_process() -> None:
    machine, log = Machine(0), []
    b = failing("failed", "died by signal 11", mode="script")
    both = arms(machine, log=log, a=constant(1e5), b=b)
    # The cells' order is drawn: in some of these repeats the failing one comes first.
    for seed in range(8):
        found = one_repeat(both, OF_A_DUEL, [EAGER, SCRIPT], RULES, random.Random(seed))
        assert found.cells[SCRIPT.key] == Failed("failed", "b: died by signal 11")
        assert isinstance(found.cells[EAGER.key], Measured)
    assert log.count(B) > 8
    assert log.count("closed") == log.count(A) + log.count(A_AGAIN) + log.count(B)


def test_what_is_measured_before_a_cell_fails_is_kept() -> None:
    machine = Machine(0)
    calls = Counter[str]()

    def later(task: object) -> float:
        calls["times"] += 1
        if calls["times"] > 20:
            raise DriverError("timeout", "no answer in 120 s")
        return 1e5

    found = duel(
        arms(machine, a=constant(1e5), b=later), OF_A_DUEL, [EAGER], RULES, limit_s=60, clock=machine
    )
    (row,) = found.rows
    assert row.failed == Failed("timeout", "b: no answer in 120 s")
    assert row.measured and row.judgement is None
    assert found.stop == "no cell is left"


def test_an_output_that_differs_is_a_mismatch_and_not_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(0)
    prepare = FakeDriver.prepare

    def other(self: FakeDriver, task: object) -> tuple[list[float], ...]:
        prepare(self, task)  # type: ignore[arg-type]
        return ([1.0, 2.0, 3.1 if self.facts["python"] == "3.12" else 3.0],)

    monkeypatch.setattr(FakeDriver, "prepare", other)
    both = arms(machine, facts={B: {"python": "3.12"}}, a=constant(1e5), b=constant(1e5))
    found = held(both, machine)
    assert {row.failed.status for row in found.rows if row.failed} == {"mismatch"}
    assert found.overall is None
    assert all("b's output differs from a's by 0.033" in row.failed.error for row in found.rows if row.failed)


def test_an_arm_that_does_not_start_is_named_and_the_others_are_ended() -> None:
    machine, log = Machine(0), []

    def refused() -> FakeDriver:
        raise DriverError("failed", "no module named torch")

    both = [
        replace(arm, open=refused) if arm.name == B else arm
        for arm in arms(machine, log=log, a=constant(1e5), b=constant(1e5))
    ]
    with pytest.raises(HarnessError, match=r"b \(the b\) does not start: no module named torch"):
        held(both, machine)
    assert log.count("closed") == log.count(A) + log.count(A_AGAIN)


def test_one_that_does_not_start_any_more_ends_the_duel_with_what_there_is() -> None:
    machine = Machine(0)
    started: list[int] = []
    both = arms(machine, a=constant(1e5), b=constant(2e5))
    (b,) = [arm for arm in both if arm.name == B]

    def twice() -> object:
        started.append(1)
        if len(started) > 2:
            raise DriverError("failed", "no memory")
        return b.open()

    both = [replace(arm, open=twice) if arm.name == B else arm for arm in both]  # type: ignore[arg-type]
    found = held(both, machine)
    assert (found.repeats, found.stop) == (2, "b (the b) does not start: no memory")
    assert found.overall is not None


def test_a_cell_that_cannot_be_measured_elsewhere_is_never_begun() -> None:
    machine = Machine(0)
    cells = [EAGER, cell("script", unsupported="2 devices asked for")]
    found = duel(
        arms(machine, a=constant(1e5), b=constant(1e5)), OF_A_DUEL, cells, RULES, limit_s=30, clock=machine
    )
    assert found.rows[1].failed == Failed("unsupported", "2 devices asked for")
    assert found.rows[0].judgement is not None


@pytest.mark.parametrize("limit_s", [60.0, 120.0])
def test_it_ends_within_the_time_that_it_is_given(limit_s: float) -> None:
    machine = Machine(3)
    # Undecided to the end: a difference at the threshold.
    found = held(arms(machine, process=0.01, a=constant(1e5), b=constant(1.01e5)), machine, limit_s=limit_s)
    assert found.seconds <= limit_s
    assert found.repeats >= 4


def test_where_four_are_too_long_the_others_are_shorter_and_that_is_said() -> None:
    machine, told = Machine(0), list[str]()
    rules = replace(RULES, builds=3, rounds=50)
    both = arms(machine, a=constant(1e6), b=constant(1.01e6))
    cells = [EAGER, SCRIPT]
    whole = one_repeat(both, OF_A_DUEL, cells, rules, random.Random(0), clock=machine).seconds
    limit_s, begun = 3.4 * whole, machine.now_s
    found = duel(both, OF_A_DUEL, cells, rules, limit_s=limit_s, clock=machine, told=told.append)
    assert found.repeats == 4 and machine.now_s - begun <= limit_s
    (note,) = found.notes
    assert note.startswith("A whole repeat takes ") and "the others have" in note
    assert told[0] == note, "said before the others are begun"
    assert found.overall is not None and found.overall.found[RATIO].ratio.low > 0
    # By the time that it says four whole ones have room.
    enough = float(note.partition("--seconds ")[2].split()[0])
    more = duel(both, OF_A_DUEL, cells, rules, limit_s=1.1 * enough, clock=machine)
    assert more.repeats == 4 and not more.notes


def test_where_a_repeat_takes_longer_than_was_expected_those_that_are_left_are_shorter_still() -> None:
    machine, seen = Machine(0), list[set[str]]()
    late = iter([*[0.0] * 3, *[1.5] * 3, *[0.0] * 30])

    def starting(opened: Callable[[], Any]) -> Callable[[], Any]:
        def start() -> Any:
            machine.passed(next(late))
            return opened()

        return start

    both = [replace(arm, open=starting(arm.open)) for arm in arms(machine, a=constant(1e5), b=constant(1e5))]
    rules = replace(RULES, builds=3, rounds=50)
    found = duel(both, [*OF_A_DUEL, Seen(seen)], [EAGER], rules, limit_s=56, clock=machine)
    assert found.seconds <= 56 and found.repeats == 4
    assert 2 * 150 < len(seen) < 4 * 150
    (note,) = found.notes
    assert "Later repeats took longer than the first" in note


@pytest.mark.parametrize(("limit_s", "repeats"), [(1.0, 1), (20.0, 2), (30.0, 3)])
def test_no_time_is_taken_that_was_not_given_but_for_the_first_repeat(limit_s: float, repeats: int) -> None:
    machine = Machine(0)
    found = held(arms(machine, a=constant(1e5), b=constant(2e5)), machine, limit_s=limit_s)
    assert found.repeats == repeats
    assert found.seconds <= max(limit_s, found.seconds / repeats)
    (note,) = found.notes
    assert ("there is no other, and so no interval" in note) == (repeats == 1)
    if repeats == 1:
        assert found.overall is not None and found.overall.found[RATIO].verdict == "undecided"


def test_a_slow_machine_keeps_to_the_default_time() -> None:
    """Processes that take six times as long to start, cells ten times as long to prepare."""
    machine = Machine(0)
    slow = [
        replace(arm, open=_slowly(arm.open, machine))
        for arm in arms(machine, a=constant(1e5), b=constant(1e5))
    ]
    found = duel(
        slow, OF_A_DUEL, [EAGER, SCRIPT], replace(RULES, builds=3, rounds=50), limit_s=120, clock=machine
    )
    assert found.seconds <= 120 and found.repeats >= 2 and found.notes


def _slowly(opened: Callable[[], Any], machine: Machine) -> Callable[[], Any]:
    def start() -> Any:
        machine.passed(10.0)
        return opened()

    return start


def room_for(most: int) -> Callable[[Sequence[object]], str | None]:
    return lambda living: "1.0 GiB are wanted, 0.2 GiB are free" if len(living) >= most else None


def test_where_there_is_no_memory_for_three_processes_two_are_in_turn() -> None:
    machine, log = Machine(0), list[str]()
    most = 0
    seen: list[set[str]] = []

    def crowded(living: Sequence[object]) -> str | None:
        nonlocal most
        most = max(most, len(living))
        return room_for(2)(living)

    both = arms(machine, process=0.0, log=log, a=constant(1e5), b=constant(2e5))
    contrasts = [*OF_A_DUEL, Seen(seen)]
    found = duel(both, contrasts, [EAGER], RULES, limit_s=60, clock=machine, crowded=crowded)
    assert found.overall is not None
    ratio, null = (found.overall.found[name] for name in (RATIO, NULL))
    assert ratio.ratio.estimate == pytest.approx(0.5, rel=0.05) and ratio.verdict == "slower"
    assert null.ratio.estimate == pytest.approx(1, rel=0.05)
    assert most == 2 and set(map(frozenset, seen)) == {frozenset({A, B}), frozenset({A, A_AGAIN})}
    assert log.count("closed") == sum(log.count(name) for name in (A, A_AGAIN, B))
    (note,) = found.notes
    assert "no memory for all 3 processes at once" in note and "2 turns a repeat" in note


@dataclass(frozen=True)
class Seen(Contrast):
    """Notes which arms were in a round."""

    seen: list[set[str]]

    def __init__(self, seen: list[set[str]]) -> None:
        object.__setattr__(self, "name", "seen")
        object.__setattr__(self, "pairs", ())
        object.__setattr__(self, "seen", seen)

    def of_rounds(self, rounds: Sequence[Mapping[str, float]]) -> float:
        self.seen.extend(set(times) for times in rounds)
        return 1.0


def test_what_is_bisected_has_turns_beside_a_too() -> None:
    machine = Machine(0)
    swapped = {"python": "with python", "torch": "with torch"}
    both = arms(
        machine,
        process=0.0,
        **{A: constant(1e5), B: constant(2e5), "with python": constant(2e5), "with torch": constant(1e5)},
    )
    found = duel(
        both,
        [*OF_A_DUEL, *of_swaps(swapped)],
        [EAGER],
        RULES,
        limit_s=240,
        clock=machine,
        crowded=room_for(3),
    )
    assert found.overall is not None
    estimates = {name: each.ratio.estimate for name, each in found.overall.found.items()}
    assert estimates == pytest.approx(
        {RATIO: 0.5, NULL: 1, "python": 0.5, "torch": 1, INTERACTION: 1}, rel=0.05
    )
    assert "3 turns a repeat" in found.notes[0] or "2 turns a repeat" in found.notes[0]


def test_after_a_failure_in_a_turn_only_those_of_the_turn_live() -> None:
    machine, log = Machine(0), list[str]()
    b = failing("failed", "died", mode="script")
    both = arms(machine, log=log, a=constant(1e5), b=b)
    for seed in range(8):
        found = one_repeat(both, OF_A_DUEL, [EAGER, SCRIPT], RULES, random.Random(seed), room_for(2))
        assert found.cells[SCRIPT.key] == Failed("failed", "b: died")
        assert isinstance(found.cells[EAGER.key], Measured)


def test_where_not_even_two_have_room_it_is_refused_with_the_reason() -> None:
    machine, log = Machine(0), list[str]()
    both = arms(machine, log=log, a=constant(1e5), b=constant(1e5))
    with pytest.raises(HarnessError, match=r"is not started: 1\.0 GiB are wanted"):
        duel(both, OF_A_DUEL, [EAGER], RULES, limit_s=30, clock=machine, crowded=room_for(1))
    assert log.count("closed") == 1
