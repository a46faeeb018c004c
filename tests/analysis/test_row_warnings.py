"""What a row must warn of."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from raw_runs import RawRun, cell_of, row


class TestWarnings:
    def warnings(self, raw: RawRun, mode: str = "eager", **options: Any) -> str:
        cell = cell_of()
        raw.plan(cell)
        raw.session("s", [cell], **options)
        return str(row(raw, mode)["warnings"])

    STOPS = pytest.mark.parametrize(
        ("stop", "expected"), [("complete", "noisy"), ("capped", "capped"), ("unfinished", "noisy")]
    )

    def sessions(self, raw: RawRun, stop: str, step_ns: Callable[..., int]) -> None:
        """Four of them; step_ns: of a mode in one of them."""
        cell = cell_of()
        raw.plan(cell)
        for number in range(4):
            times = partial(step_ns, session=number)
            raw.session(f"s-try{number + 1}", [cell], stop=stop, step_ns=lambda mode, *_, of=times: of(mode))

    @STOPS
    def test_a_wide_interval_is_warned_of_with_the_reason(
        self, raw: RawRun, stop: str, expected: str
    ) -> None:
        self.sessions(raw, stop, lambda mode, session: 1000 + 300 * (session % 2))
        assert row(raw)["warnings"] == expected

    @STOPS
    def test_a_mode_that_was_narrow_is_not_blamed_for_another(
        self, raw: RawRun, stop: str, expected: str
    ) -> None:
        """Eager's own times are steady; those of script, and so its ratio, are not."""
        self.sessions(
            raw, stop, lambda mode, session: 3000 if mode == "eager" else 1000 + 300 * (session % 2)
        )
        assert (row(raw)["warnings"], row(raw, "script")["warnings"]) == ("", expected)

    @pytest.mark.parametrize(("turns", "expected"), [(1, ""), (3, "by_turns")])
    def test_what_had_no_room_beside_all_others_says_so(self, raw: RawRun, turns: int, expected: str) -> None:
        assert self.warnings(raw, turns=turns) == expected

    def test_a_sharp_ratio_is_not_noisy_though_its_step_times_are(self, raw: RawRun) -> None:
        def slowing(mode: str, session: int) -> int:
            return (3000 if mode == "eager" else 1000) * (1 + session)

        self.sessions(raw, "complete", slowing)
        assert (row(raw)["warnings"], row(raw, "script")["warnings"]) == ("noisy", "")

    def test_step_times_may_be_wider_than_ratios(self, raw: RawRun) -> None:
        """Between processes they differ by more, whatever is done."""
        self.sessions(raw, "complete", lambda mode, session: 3000 + 60 * (session % 2))
        assert row(raw)["warnings"] == ""

    def test_a_settled_cell_has_no_warning(self, raw: RawRun) -> None:
        assert self.warnings(raw) == ""

    def test_a_thread_that_waited_for_a_core_was_oversubscribed(self, raw: RawRun) -> None:
        assert self.warnings(raw, cpu_share=0.5) == "oversubscribed"

    def test_more_ranks_than_cores_are_oversubscribed(self, tmp_path: Path) -> None:
        for cores, expected in ((2, ""), (1, "oversubscribed")):
            raw = RawRun(tmp_path / f"run{cores}", cores=cores)
            cell = cell_of(["eager"], devices=2)
            raw.plan(cell)
            raw.session("s", [cell], ranks=2)
            assert row(raw, devices=2)["warnings"] == expected

    @pytest.mark.parametrize(
        ("controller", "expected"),
        [("processes", "oversubscribed"), ("threads", "oversubscribed"), ("loop", "")],
    )
    def test_one_thread_that_serves_many_devices_needs_one_core(
        self, tmp_path: Path, controller: str, expected: str
    ) -> None:
        raw = RawRun(tmp_path / "run", cores=2)
        cell = cell_of(["eager"], devices=4, controller=controller)
        raw.plan(cell)
        raw.session("s", [cell], ranks=4 if controller == "processes" else 1)
        assert row(raw, devices=4)["warnings"] == expected

    def test_a_thread_that_waited_for_the_interpreters_lock_did_not_want_for_a_core(
        self, tmp_path: Path
    ) -> None:
        raw = RawRun(tmp_path / "run", cores=4)
        cell = cell_of(["eager"], devices=2, controller="threads")
        raw.plan(cell)
        raw.session("s", [cell], cpu_share=0.5)
        assert row(raw, devices=2)["warnings"] == ""

    def test_a_thread_that_runs_no_python_and_waits_wants_for_a_core(self, tmp_path: Path) -> None:
        raw = RawRun(tmp_path / "run", cores=4)
        cell = cell_of(["eager", "script"], devices=2, controller="threads")
        raw.plan(cell)
        raw.session("s", [cell], cpu_share=0.5)
        assert row(raw, "script", devices=2)["warnings"] == "oversubscribed"

    @pytest.mark.parametrize("growth", [3.0, 0.25])
    def test_a_launch_queue_that_filled_up_is_warned_of(self, raw: RawRun, growth: float) -> None:
        assert self.warnings(raw, extra={"issue_ns": 1000.0, "growth": growth}) == "back_pressure"

    def test_a_second_half_that_takes_as_long_as_the_first_is_no_back_pressure(self, raw: RawRun) -> None:
        assert self.warnings(raw, extra={"issue_ns": 1000.0, "growth": 1.2}) == ""

    @pytest.mark.parametrize(
        ("replay_ns", "expected"),
        [
            *((104_900.0, ""), (96_000.0, ""), (106_000.0, "replay_differs")),
            # In a graph there are no gaps of a stream's: 1 us for each of nine launches.
            *((88_000.0, ""), (86_000.0, "replay_differs")),
        ],
    )
    def test_a_replay_that_differs_by_more_than_5_percent_and_its_gaps_is_warned_of(
        self, raw: RawRun, replay_ns: float, expected: str
    ) -> None:
        found = {"held_ns": 100_000.0, "replay_ns": replay_ns, "launches": 9}
        assert self.warnings(raw, found=found) == expected
        assert row(raw)["replay_us"] == pytest.approx(replay_ns / 1000)
        assert row(raw)["launches"] == 9

    def test_two_warnings_are_separated_by_semicolons(self, raw: RawRun) -> None:
        found = self.warnings(raw, cpu_share=0.5, extra={"issue_ns": 1000.0, "growth": 3.0})
        assert found == "oversubscribed;back_pressure"
