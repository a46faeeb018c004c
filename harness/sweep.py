"""A sweep from its configuration to a complete run directory.

In: a checked Config. Out: a run directory in which every point has a row. Joins the stages in their one
order: plan, run directory, sessions, points, report. Must not import torch.
"""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from types import FrameType
from typing import IO, Any

from rich.console import Console

from harness import analysis, schema
from harness.config import Config
from harness.console import Display, print_plan
from harness.environment import describe_environment, differences, probe_torch, take_inventory
from harness.errors import ConfigError, HarnessError
from harness.launch import DIED, FINISHED, TIMED_OUT, Ending, run_session, session_variables, torchrun_command
from harness.modes import get_mode
from harness.plan import Cell, Plan, Point, Session, make_plan, remaining
from harness.records import LAUNCHER_FILE, Writer
from harness.rundir import (
    BYTES_FOR_REPORT,
    BYTES_PER_BLOCK,
    RunDirectory,
    check_path,
    default_path,
    next_session_id,
    open_run,
    session_folder,
)
from harness.session import SessionSpec


class Interrupted(Exception):
    """The sweep was asked to end by a signal; what is measured stays."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.exit_status = 128 + number


def run_sweep(config: Config, console: Console) -> int:
    """Measure what the run directory lacks and report it. Answers the exit status.

    0: every point has its row and at least one was measured (or none could be); 1: nothing could be
    measured although something was tried. Raises ConfigError before anything starts if something is
    refused, Interrupted when a signal ended it.
    """
    key = "resume" if config.resume else "out"
    path = Path(config.resume or config.out or default_path(config.name))
    check_path(path, config, key)
    probe = probe_torch()
    inventory = take_inventory(config, probe)
    plan = make_plan(config, inventory)
    if config.hidden is not None and (config.depth or config.width):
        console.print(
            f"hidden={list(config.hidden)} is given: depth and width are not swept", highlight=False
        )
    if config.dry_run:
        # What is measured already counts here too: the plan shows what a start would do.
        print_plan(console, remaining(plan, _done(path)), config, path, inventory)
        return 0
    environment = describe_environment(inventory, probe)
    run = open_run(path, config, key)
    try:
        run.check_space(_bytes_needed(remaining(plan, _done(path)), config))
        _check_same_machine(run, environment, key)
        run.write_config(config)
        run.write_environment(environment)
        with run.log.open("a") as log, _signals_raise():
            launcher = Writer(run.raw / LAUNCHER_FILE)
            sweep = _Sweep(config, plan, run, inventory.kind, launcher, log, console)
            try:
                sweep.announce(environment)
                sweep.measure()
            except Interrupted as signal:
                sweep.save_points()
                console.print(
                    f"ended by {signal}; what was measured is kept: harness sweep resume={path} goes on from there",
                    markup=False,
                    highlight=False,
                    soft_wrap=True,
                )
                raise
            except HarnessError:
                sweep.save_points()
                raise
            finally:
                launcher.close()
    except OSError as error:
        raise HarnessError(f"{path}: {error.strerror or error}; what was measured is kept") from error
    finally:
        run.close()
    return report(path, console)


def report(path: Path, console: Console) -> int:
    """Analyse a run, write its report, and print the summary. Answers the exit status."""
    from harness.report import print_summary, write_report

    run = analysis.load_run(path)
    paths = write_report([run], path)
    print_summary(console, [run], paths)
    status = run.points["status"]
    tried = status[status != schema.UNSUPPORTED]
    return 1 if len(tried) and not (tried == schema.OK).any() else 0


class _Sweep:
    def __init__(
        self,
        config: Config,
        plan: Plan,
        run: RunDirectory,
        device_kind: str,
        launcher: Writer,
        log: IO[str],
        console: Console,
    ) -> None:
        self.config, self.plan, self.run, self.log = config, plan, run, log
        self.device_kind, self.launcher, self.console = device_kind, launcher, console
        self.todo = remaining(plan, _done(run.path))

    def announce(self, environment: dict[str, Any]) -> None:
        """Write down every point and what is known of it before anything is measured."""
        self.launcher.write(
            "start",
            time_utc=environment["time_utc"],
            device_kind=environment["device_kind"],
            device_name=environment["device_name"],
            cores=environment["cpu"]["cores_usable"],
        )
        known = analysis.planned_points(self.run.path)
        for point in self.plan.points:
            if point.key not in known:
                self.launcher.write("point", **point_record(point))
        for key, reason in self.todo.unsupported.items():
            self.launcher.write("outcome", key=key, status=schema.UNSUPPORTED, error=reason)

    def measure(self) -> None:
        """Run every session; a session that breaks is started again with the cells it has not reached."""
        planned = sum(session.points for session in self.todo.sessions)
        done = len(self.plan.points) - planned
        with Display(self.console, len(self.plan.points), done, self.config) as display:
            for session in self.todo.sessions:
                rest: Session | None = session
                while rest is not None:
                    rest = self.one_session(rest, display)

    def one_session(self, session: Session, display: Display) -> Session | None:
        """Run a session once; answers the part of it that must be started again, or None."""
        session_id, folder = self.new_session(session)
        command = torchrun_command(session.ranks, session_id, folder)
        variables = session_variables(self.config.device.threads)
        display.session(session, session_id)
        print(f"{_now()} {session_id}: {' '.join(command)}", file=self.log, flush=True)
        ending = run_session(
            command,
            variables,
            folder,
            self.log,
            timeout_s=self.config.timeout_s,
            startup_timeout_s=self.config.launcher.startup_timeout_s,
            on_event=display.event,
            on_tick=display.tick,
        )
        print(f"{_now()} {session_id}: {ending.how} {ending.reason}", file=self.log, flush=True)
        return self.settle(session, session_id, ending, display)

    def settle(self, session: Session, session_id: str, ending: Ending, display: Display) -> Session | None:
        """Give the points of a broken session their rows; answers what is left of it to be measured."""
        progress = analysis.session_progress(self.run.path, session_id)
        unended = [cell for cell in session.cells if cell.id not in progress.ended]
        if not unended:
            if ending.how != FINISHED:
                display.note(
                    f"session {session_id} ended early ({ending.reason}); its cells keep their rounds"
                )
            return None
        if ending.how == DIED:
            self.run.check_space(BYTES_FOR_REPORT // 8)  # ranks that cannot write die: say so instead
        # The cell in flight is lost. If there was none, the session cannot start at all, and none will fare
        # better.
        lost = [cell for cell in unended if cell.id in progress.begun] or unended
        rest = [cell for cell in unended if cell not in lost]
        for cell in lost:
            # What ranks say of a session that was killed is a consequence of the kill.
            said = {} if ending.killed else progress.dropped
            known = {point: said[point.key] for point in cell.points if point.key in said}
            status, reason = schema.TIMEOUT if ending.how == TIMED_OUT else schema.FAILED, ending.reason
            reason = reason or "the session ended before this point was measured"
            # A mode that said why it broke the session is left out, and the others get another try. Each try
            # leaves out at least one, so this comes to an end.
            again = tuple(point for point in cell.points if point not in known) if known else ()
            for point in cell.points:
                if point not in again:
                    row_status, row_reason = known.get(point, (status, reason))
                    self.launcher.write(
                        "outcome", key=point.key, status=row_status, error=row_reason, session=session_id
                    )
            display.lost(cell, len(cell.points) - len(again), *next(iter(known.values()), (status, reason)))
            if again:
                rest.insert(0, Cell(again))
        return replace(session, cells=tuple(rest)) if rest else None

    def new_session(self, session: Session) -> tuple[str, Path]:
        """Make the folder of a session that has not been used before, with its file in it."""
        session_id = next_session_id(self.run.path, session)
        folder = session_folder(self.run.path, session_id).absolute()
        folder.mkdir(parents=True)
        config = self.config
        SessionSpec(
            id=session_id,
            cells=session.cells,
            device_kind=self.device_kind,
            threads=config.device.threads,
            affinity=config.device.affinity,
            usage=config.monitor.usage,
            seed=config.seed,
            timing=config.timing,
            plugins=tuple(config.plugins),
            raw=self.run.raw.absolute(),
            store=folder / "store",
        ).save(folder / "session.json")
        return session_id, folder

    def save_points(self) -> None:
        """Write points.csv from what is there, on the way out."""
        from harness.report import write_csv

        with contextlib.suppress(OSError, HarnessError):
            write_csv(analysis.load_run(self.run.path).points, self.run.path / "points.csv")


def point_record(point: Point) -> dict[str, Any]:
    """A planned point as the launcher writes it down: all that the analysis knows of it."""
    axes = {name: getattr(point, name) for name in (*schema.AXES, "scaling")}
    return {
        "key": point.key,
        "cell": Cell((point,)).id,
        "axes": {**axes, "nodes": 1},
        # The analysis must not depend on which plugins are loaded where it runs.
        "needs_python": get_mode(point.mode).needs_python,
    }


def _done(path: Path) -> set[str]:
    """Keys of points that have their final row already."""
    if not (path / "raw").is_dir():
        return set()
    points = analysis.load_run(path).points
    return set(points.loc[points["status"].isin(schema.FINAL_STATUSES), "key"])


def _bytes_needed(plan: Plan, config: Config) -> int:
    blocks = sum(s.points * s.ranks for s in plan.sessions) * config.timing.max_rounds
    return BYTES_FOR_REPORT + blocks * BYTES_PER_BLOCK


def _check_same_machine(run: RunDirectory, environment: dict[str, Any], key: str) -> None:
    before = run.environment()
    if before and (changed := differences(before, environment)):
        raise ConfigError(
            key, run.path, f"a run of this machine, or a new folder; changed since: {'; '.join(changed)}"
        )


@contextlib.contextmanager
def _signals_raise() -> Iterator[None]:
    """Within: SIGINT, SIGTERM and SIGHUP raise Interrupted, so that every clean-up is done."""

    def stop(number: int, frame: FrameType | None) -> None:
        for each in before:  # once only: a second Ctrl-C must not break off the clean-up
            signal.signal(each, signal.SIG_IGN)
        raise Interrupted(number)

    watched = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, stop) for number in watched}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _now() -> str:
    return datetime.now(timezone.utc).strftime("%H:%M:%S")
