"""How a duel goes: fresh processes in random order, rounds of all, and what fails alone."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace

import pytest
from fake_drivers import A_AGAIN, A, B, FakeDriver, Machine, arms, cell, constant, failing

from harness.core.errors import HarnessError
from harness.duel.contrasts import OF_A_DUEL, RATIO
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


def test_too_little_time_is_taken_for_the_fewest_repeats() -> None:
    machine = Machine(0)
    found = held(arms(machine, a=constant(1e5), b=constant(1.01e5)), machine, limit_s=1.0)
    assert found.repeats == 4
    assert found.overall is not None and found.overall.found[RATIO].ratio.low > 0


def test_where_there_is_no_memory_for_another_process_it_says_so() -> None:
    machine, log = Machine(0), []

    def crowded(living: object) -> str | None:
        return "1.0 GiB are wanted, 0.2 GiB are free" if len(living) == 2 else None  # type: ignore[arg-type]

    both = arms(machine, log=log, a=constant(1e5), b=constant(1e5))
    with pytest.raises(HarnessError, match=r"is not started: 1\.0 GiB are wanted"):
        duel(both, OF_A_DUEL, [EAGER], RULES, limit_s=30, clock=machine, crowded=crowded)
    assert log.count("closed") == 2
