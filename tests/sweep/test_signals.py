"""Signals in every command and phase: one line, 128 + n, no process left; what was ignored at the start stays so."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from pathlib import Path

import psutil
import pytest
from pausing import paused
from raw_runs import RawRun, cell_of
from rich.console import Console
from running import command, environment, heeding_signals, one_quick, wait_until

from harness.core.processes.interrupt import Interrupted, signals_raise
from harness.sweep import outcome

NAMES = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129}
SWEEP = (
    "sweep",
    *("sweep=smoke", "device=cpu", "depth=[2]", "batch=[1]", "devices=[1]", "mode=[eager,script]"),
    *("timing.builds=1", "timing.sessions=1", "timing.max_sessions=1", "out=run"),
)
# Where each command is held, and in which of its phases that is.
PHASES = {
    "imports": ("harness.commands.cli", ("doctor",)),
    "doctor, in the probe": ("harness.machine.probe", ("doctor",)),
    "sweep, before its sessions": ("harness.report.content", SWEEP),
    "report": ("harness.report.page", ("report", "run")),
    "sweep, importing": ("harness.sweep.run", SWEEP),
    "sweep, in the probe": ("harness.machine.probe", SWEEP),
    "merge": ("harness.records.merge", ("merge", "run", "--out", "merged")),
    "predict": ("harness.analysis.run", ("predict", "run")),
    "export": ("harness.export.export", ("export", "--mode", "script", "--out", "x.pt")),
}


def small_run(folder: Path) -> Path:
    raw, cell = RawRun(folder), cell_of()
    raw.plan(cell)
    raw.session("processes-1-try1", [cell])
    return folder


def is_gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


@pytest.mark.parametrize("phase", [*list(PHASES)[:3], *one_quick(*list(PHASES)[3:])])
def test_ctrl_c_in_any_phase_of_any_command_is_one_line(tmp_path: Path, phase: str) -> None:
    module, arguments = PHASES[phase]
    if "run" in arguments:
        small_run(tmp_path / "run")
    with paused(tmp_path, module, *arguments) as held:
        held.process.send_signal(signal.SIGINT)
        status, _, errors = held.ended()
        assert (status, errors.splitlines()) == (130, ["harness: ended by SIGINT"])
        wait_until(lambda: is_gone(held.pid), "the end of the process that was held", 5)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_the_others_are_told_alike(tmp_path: Path, number: signal.Signals) -> None:
    with paused(tmp_path, "harness.machine.probe", "doctor") as held:
        held.process.send_signal(number)
        status, _, errors = held.ended()
        assert (status, errors) == (NAMES[number], f"harness: ended by {number.name}\n")
        wait_until(lambda: is_gone(held.pid), "the end of the probe", 5)


def test_the_probe_ends_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    with paused(tmp_path, "harness.machine.probe", "doctor") as held:
        assert held.pid != held.process.pid
        held.process.kill()
        held.process.wait()
        wait_until(lambda: is_gone(held.pid), "the end of the probe", 5)


def test_a_ctrl_c_of_the_terminal_reaches_children_too_and_is_still_one_line(tmp_path: Path) -> None:
    with paused(tmp_path, "harness.machine.probe", "doctor") as held:
        for _ in range(3):  # impatient
            os.killpg(held.process.pid, signal.SIGINT)
        status, _, errors = held.ended()
        assert (status, errors) == (130, "harness: ended by SIGINT\n")
        wait_until(lambda: is_gone(held.pid), "the end of the probe", 5)


def test_what_was_ignored_at_the_start_stays_ignored(tmp_path: Path) -> None:
    """nohup, and jobs in the background of a script."""

    def begin() -> None:
        heeding_signals()
        for number in (signal.SIGHUP, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)

    with paused(tmp_path, "harness.machine.probe", "doctor", begin=begin) as held:
        for number in (signal.SIGHUP, signal.SIGINT):
            os.killpg(held.process.pid, number)
        held.go()
        status, out, errors = held.ended()
        assert (status, errors) == (0, "")
        assert "processor" in out


def test_figures_in_the_making_are_no_processes_that_stay(tmp_path: Path) -> None:
    """Drawn side by side in forked processes: a Ctrl-C of the terminal reaches those too."""
    code = f"""
import os, sys, time
from pathlib import Path
from harness.core.processes.interrupt import Interrupted, signals_raise
from harness.core.processes import parallel
parallel.workers_for = lambda tasks: 2

def draw(number):
    Path({str(tmp_path)!r}, str(os.getpid())).touch()
    time.sleep(600)

try:
    with signals_raise():
        parallel.mapped(draw, range(8))
except Interrupted:
    sys.exit(7)
"""
    process = subprocess.Popen(
        [*command()[:1], "-c", code],
        env=environment(),
        cwd=Path(__file__).parents[2],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=heeding_signals,
    )
    wait_until(lambda: len(list(tmp_path.iterdir())) == 2, "two that draw")
    os.killpg(process.pid, signal.SIGINT)
    assert process.communicate(timeout=30) == (None, "")
    assert process.returncode == 7
    for path in tmp_path.iterdir():
        wait_until(lambda pid=int(path.name): is_gone(pid), "the end of one that draws", 5)


def test_while_a_sweep_is_reported_a_signal_says_what_is_kept(monkeypatch, tmp_path: Path) -> None:
    run = small_run(tmp_path / "a run")

    def interrupted(*given: object) -> None:
        signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr("harness.report.write.write_report", interrupted)
    with pytest.raises(Interrupted) as caught, signals_raise():
        outcome.report(run, Console(quiet=True))
    assert caught.value.line() == (
        f"ended by SIGTERM; what was measured is kept: harness report '{run}' writes its report"
    )
    assert caught.value.exit_status == 143


class TestHandler:
    def test_a_second_signal_does_not_break_off_the_clean_up(self) -> None:
        cleaned = False
        with pytest.raises(Interrupted, match="SIGTERM"), signals_raise():
            try:
                signal.raise_signal(signal.SIGTERM)
            finally:
                signal.raise_signal(signal.SIGTERM)
                cleaned = True
        assert cleaned

    def test_nor_the_clean_up_around_the_context_that_heard_the_first(self) -> None:
        with pytest.raises(Interrupted) as caught, signals_raise():
            try:
                with signals_raise(requeue=True):
                    signal.raise_signal(signal.SIGTERM)
            finally:
                signal.raise_signal(signal.SIGHUP)
        assert caught.value.exit_status == 75

    def test_one_that_came_to_nothing_leaves_the_next_its_effect(self) -> None:
        with pytest.raises(Interrupted), signals_raise():
            with contextlib.suppress(BaseException):
                signal.raise_signal(signal.SIGTERM)
            signal.raise_signal(signal.SIGTERM)

    def test_what_fails_of_being_broken_off_is_the_signal_still(self) -> None:
        """As in the clean-up of a library, or where it tells of any error as one of its own."""
        with pytest.raises(Interrupted), signals_raise():
            try:
                signal.raise_signal(signal.SIGTERM)
            finally:
                raise AttributeError("half made")
        with pytest.raises(Interrupted), signals_raise():
            try:
                signal.raise_signal(signal.SIGTERM)
            except BaseException as error:
                raise ImportError("cannot be initialised") from error

    def test_an_error_of_its_own_stays_what_it_is(self) -> None:
        with pytest.raises(AttributeError), signals_raise():
            with contextlib.suppress(Interrupted):
                signal.raise_signal(signal.SIGTERM)
            raise AttributeError

    def test_handlers_are_given_back(self) -> None:
        before = [signal.getsignal(number) for number in NAMES]
        with signals_raise(requeue=True):
            assert [signal.getsignal(number) for number in NAMES] != before
        assert [signal.getsignal(number) for number in NAMES] == before


@pytest.mark.parametrize("closed", one_quick("reader", "descriptor"))
@pytest.mark.long
def test_a_sweep_without_a_display_goes_on_to_its_end(tmp_path: Path, closed: str) -> None:
    """`| head -1`, under nohup, its terminal gone, with the backend of a notebook's kernel: all files are written."""

    def begin() -> None:
        heeding_signals()
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        if closed == "descriptor":
            os.close(1)
            os.close(2)

    notebook = {"MPLBACKEND": "module://matplotlib_inline.of_a_kernel", "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(
        command(*SWEEP),
        cwd=tmp_path,
        env={**environment(), **notebook},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        preexec_fn=begin,
    )
    assert process.stdout is not None
    if closed == "reader":
        process.stdout.readline()
    process.stdout.close()
    run = tmp_path / "run"
    wait_until(lambda: (run / "raw").is_dir() or process.poll() is not None, "the run")
    os.killpg(process.pid, signal.SIGHUP)
    assert process.wait(timeout=120) == 0
    assert {"points.csv", "report.html", "report.md", "figures"} <= {path.name for path in run.iterdir()}
