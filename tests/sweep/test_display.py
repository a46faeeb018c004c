"""What a sweep shows: plain lines where there is no terminal, a bar where there is, a plan that can be pasted."""

from __future__ import annotations

import io
import shlex
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from harness.cluster.choice import Setting
from harness.cluster.jobs.job_owner import JobOwnership
from harness.launch.local import LocalLauncher
from harness.plan.config import Config, TimingConfig
from harness.plan.inventory import Inventory
from harness.plan.layout import make_plan
from harness.plan.points import remaining
from harness.sweep.display import Display
from harness.sweep.dry_run import print_plan

CONFIG = Config(
    name="test",
    depth=[2],
    width=[8],
    batch=[1, 4],
    devices=[1, 2, 8],
    oversubscribe=False,
    timing=TimingConfig(sessions=1, max_sessions=1),
)
THREE = replace(CONFIG, timing=TimingConfig(sessions=3, max_sessions=4))
INVENTORY = Inventory("cpu", 2, "Test CPU", 2)
PLAN = make_plan(CONFIG, INVENTORY)
CELL = PLAN.sessions[0].cells[0]


def plain() -> Console:
    return Console(file=io.StringIO(), width=80)


def terminal() -> Console:
    return Console(file=io.StringIO(), width=200, force_terminal=True)


def text(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def end_of_cell(display: Display) -> None:
    display.event(visit(1.0, {"eager": 12.3456, "script": 4.0}))


def visit(share: float, step_us: dict[str, float]) -> dict[str, object]:
    """What rank 0 says after a visit to CELL; share: how much of its rounds it has."""
    return {
        "event": "visit", "cell": CELL.id, "label": CELL.label, "points": 3, "share": share, "step_us": step_us,
    }  # fmt: skip


class TestPlainLines:
    def test_a_cell_is_one_line_with_what_was_measured(self) -> None:
        console = plain()
        with Display(console, 12, 0, CONFIG) as display:
            display.session(PLAN.sessions[0], "processes-1-try1")
            end_of_cell(display)
            display.tick()
        first, second = text(console).splitlines()
        assert first == "session processes-1-try1: 1 ranks, 2 cells, 6 points"
        assert second.startswith(f"[3/12] {CELL.label}: eager 12.35 us, script 4 us (")
        assert second.endswith("left)")

    def test_no_escape_sequences_are_written_to_a_file(self) -> None:
        console = plain()
        with Display(console, 6, 0, CONFIG) as display:
            end_of_cell(display)
            display.lost(CELL, 3, "failed", "x")
        assert "\x1b" not in text(console)

    def test_what_was_done_before_counts(self) -> None:
        console = plain()
        with Display(console, 12, 6, CONFIG) as display:
            end_of_cell(display)
        assert text(console).startswith("[9/12]")

    def test_a_cell_that_was_lost_says_why(self) -> None:
        console = plain()
        with Display(console, 12, 0, CONFIG) as display:
            display.lost(CELL, 3, "timeout", "no progress for 5 s (timeout_s)")
        assert text(console).startswith(f"[3/12] {CELL.label}: timeout: no progress for 5 s (timeout_s)")

    def test_a_cell_in_which_every_mode_failed_says_so(self) -> None:
        console = plain()
        with Display(console, 3, 0, CONFIG) as display:
            display.event(visit(1.0, {}))
        assert "no mode could be measured" in text(console)

    def test_a_cell_is_counted_when_its_last_visit_is_over(self) -> None:
        console = plain()
        with Display(console, 12, 0, CONFIG) as display:
            for share in (0.25, 0.5):
                display.event(visit(share, {"eager": 1.0}))
                assert display.done == 3 * share
            end_of_cell(display)
        assert len(text(console).splitlines()) == 1
        assert text(console).startswith("[3/12]")

    def test_a_cell_counts_in_full_when_all_sessions_have_measured_it(self) -> None:
        console = plain()
        with Display(console, 12, 0, THREE) as display:
            for expected in (1.0, 2.0, 3.0):
                end_of_cell(display)
                assert display.done == pytest.approx(expected)
            # One more, for its interval: there is no more of it than all.
            display.further(1, 4)
            end_of_cell(display)
            assert display.done == pytest.approx(3.0)
        assert "1 cells have wide intervals: they are measured in up to 4 sessions" in text(console)

    def test_a_cell_that_is_lost_after_it_was_measured_counts_in_full_and_once(self) -> None:
        with Display(plain(), 12, 0, THREE) as display:
            end_of_cell(display)
            display.lost(CELL, 3, "failed", "x")
            assert display.done == pytest.approx(3.0)

    def test_messages_that_are_nothing_to_see_are_not_shown(self) -> None:
        console = plain()
        with Display(console, 3, 0, CONFIG) as display:
            for event in ("hello", "ready", "progress", "unheard of"):
                display.event({"event": event})
            display.event({})
        assert text(console) == ""


@pytest.mark.parametrize("make", [plain, terminal], ids=["plain", "terminal"])
@pytest.mark.parametrize(
    "reason",
    [
        "KeyError: '[/layers]'",
        "RuntimeError: [enforce fail at alloc_cpu.cpp:117] can't allocate memory",
        "[bold]x[/] [red",
    ],
)
def test_a_reason_is_shown_as_it_is_whatever_brackets_it_holds(make, reason: str) -> None:
    """rich takes [word] for markup: it would swallow it, or raise in the middle of a sweep."""
    console = make()
    with Display(console, 12, 0, CONFIG) as display:
        display.lost(CELL, 3, "failed", reason)
        display.tick()
    assert reason in text(console)


def test_on_a_terminal_there_is_a_bar_over_points() -> None:
    console = terminal()
    with Display(console, 12, 0, CONFIG) as display:
        end_of_cell(display)
        display.tick()
    assert "3/12" in text(console)
    assert "12.35 us" in text(console)


def test_the_bar_starts_no_thread() -> None:
    """The launcher forks, and a thread would take time from what is measured."""
    import threading

    before = threading.active_count()
    with Display(terminal(), 12, 0, CONFIG):
        assert threading.active_count() == before


SETTING = Setting(LocalLauncher(CONFIG), None, JobOwnership(None), Path("/runs/one"), is_reserved=False)


class TestPlan:
    def printed(self, path: Path = Path("/runs/one"), plan=PLAN) -> str:
        console = plain()
        print_plan(console, plan, CONFIG, path, INVENTORY, {}, SETTING, [])
        return text(console)

    def test_it_counts_points_cells_and_sessions(self) -> None:
        assert (
            "18 points; to measure: 12 points in 4 cells in 2 sessions; unsupported here: 6" in self.printed()
        )

    def test_it_names_machine_and_run_directory(self) -> None:
        assert "sweep test on cpu: Test CPU (2 present)" in self.printed()
        assert "run directory: /runs/one" in self.printed()

    def test_every_session_has_its_command_on_one_line_to_be_pasted(self) -> None:
        lines = [line for line in self.printed(Path("/my runs/one")).splitlines() if "torchrun" in line]
        assert len(lines) == 2
        for line, ranks in zip(lines, (1, 2), strict=True):
            words = shlex.split(line)
            assert words[0] == "env"
            assert f"--nproc-per-node={ranks}" in words
            assert words[-1] == f"/my runs/one/sessions/processes-{ranks}-try1/session.json"

    def test_what_is_unsupported_is_told_with_the_reason(self) -> None:
        assert "unsupported: 6 points: 8 ranks x 1 threads asked for, 2 cores present" in self.printed()

    def test_every_cell_is_listed_with_its_modes(self) -> None:
        for session in PLAN.sessions:
            for cell in session.cells:
                assert f"{cell.label}: eager, script, trace" in self.printed()

    def test_there_is_an_estimate_of_the_time(self) -> None:
        assert "estimated time: " in self.printed()

    def test_when_all_is_done_nothing_is_to_be_measured(self) -> None:
        done = remaining(PLAN, {point.key for point in PLAN.points})
        assert "to measure: 0 points in 0 cells in 0 sessions" in self.printed(plan=done)
        assert "torchrun" not in self.printed(plan=done)
