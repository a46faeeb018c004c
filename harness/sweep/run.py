"""A sweep from its configuration to a complete run directory.

In: a checked Config. Out: a run directory in which every point has a row. Joins the stages in their one
order: plan, run directory, sessions, points, report. Must not import torch.
"""

from __future__ import annotations

import contextlib
import shlex
import signal
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import IO, Any

from rich.console import Console

from harness.analysis.progress import session_progress
from harness.analysis.run import load_run
from harness.cluster.allocation import run_name
from harness.cluster.choice import SLURM, make_launcher
from harness.cluster.job_owner import JobClaim
from harness.core import axes, schema
from harness.core.emulated import device_variables
from harness.core.errors import ConfigError, HarnessError
from harness.core.files.made import Made
from harness.core.revision import revision
from harness.launch.launcher import Launcher
from harness.launch.run import (
    DIED,
    FINISHED,
    TIMED_OUT,
    Ending,
    run_session,
)
from harness.machine.environment import describe_environment, differences, probe_torch, take_inventory
from harness.modes import get_mode
from harness.plan.config import Config
from harness.plan.estimate import window_seconds
from harness.plan.executed import as_written, executed
from harness.plan.inventory import Inventory
from harness.plan.layout import make_plan
from harness.plan.points import Cell, Plan, Point, Session, remaining
from harness.plan.shards import parse_shard, shard_plan
from harness.records.directory import (
    BYTES_FOR_REPORT,
    BYTES_PER_BLOCK,
    RunDirectory,
    check_path,
    default_path,
    next_session_id,
    open_run,
    session_folder,
)
from harness.records.raw import LAUNCHER_FILE, RAW, Writer, read_launcher
from harness.session.spec import SessionSpec
from harness.sweep.display import Display, print_plan
from harness.sweep.interrupt import Interrupted, signals_raise

# A session that lost a node is tried again so many times.
TRIES_AFTER_NODE_FAILURE = 1
# In the folder of a session that lost a node; what counts over requeues is what stands in files.
NODE_FAILURE_FILE = "node-failure"


def run_sweep(config: Config, console: Console) -> int:
    """Measure what the run directory lacks and report it. Answers the exit status.

    0: every point has its row and at least one was measured (or none could be); 1: nothing could be
    measured although something was tried. Raises ConfigError before anything starts if something is
    refused, Interrupted when a signal ended it.
    """
    path = Path(config.resume or config.out or _default_path(config))
    status = measure_sweep(config, path, console)
    return report(path, console) if status is None else status


def measure_sweep(config: Config, path: Path, console: Console) -> int | None:
    """As run_sweep without the report; answers the exit status where there is nothing to report."""
    key = "resume" if config.resume else "out"
    check_path(path, config, key, JobClaim.of_this_process())
    launcher = make_launcher(config)
    with device_variables(launcher.node_config().emulator) as variables:
        return _measure(config, console, path, key, variables, launcher)


def _default_path(config: Config) -> Path:
    job = run_name() if config.launcher.kind == SLURM else None
    return default_path(config.name, job, _shard(config))


def _shard(config: Config) -> tuple[int, int] | None:
    return parse_shard(config.shard) if config.shard else None


def _measure(
    config: Config,
    console: Console,
    path: Path,
    key: str,
    variables: dict[str, str],
    launcher: Launcher,
) -> int | None:
    probe = probe_torch(variables)
    inventory = launcher.inventory(take_inventory(config, probe))
    plan = make_plan(config, inventory)
    all_points = plan.points
    if shard := _shard(config):
        plan = shard_plan(plan, shard, config, inventory)
    if config.hidden is not None and (config.depth or config.width):
        console.print(
            f"hidden={list(config.hidden)} is given: depth and width are not swept", highlight=False
        )
    if config.dry_run:
        # What is measured already counts here too: the plan shows what a start would do.
        print_plan(console, remaining(plan, _done(path)), config, path, inventory, variables, launcher)
        return 0
    environment = describe_environment(inventory, probe)
    run = open_run(path, config, key, JobClaim.of_this_process())
    try:
        run.check_space(_bytes_needed(remaining(plan, _done(path)), config))
        _check_same_machine(run, environment, key, config)
        run.write_config(config)
        run.write_environment(environment)
        with run.open_log() as log, signals_raise(requeue=config.launcher.kind == SLURM):
            records = Writer(run.raw / LAUNCHER_FILE)
            sweep = _Sweep(
                config, plan, run, inventory, variables, launcher, records, log, console, all_points
            )
            try:
                sweep.announce(environment)
                with launcher.sampler(run.path, variables):
                    sweep.measure()
            except Interrupted as signal:
                sweep.save_points()
                console.print(
                    f"ended by {signal}; what was measured is kept: {resume_command(path, config)} goes on from there",
                    markup=False,
                    highlight=False,
                    soft_wrap=True,
                )
                raise
            except HarnessError:
                sweep.save_points()
                raise
            finally:
                records.close()
    except OSError as error:
        raise HarnessError(f"{path}: {error.strerror or error}; what was measured is kept") from error
    finally:
        run.close()
    return None


def resume_command(path: Path, config: Config) -> str:
    """What to type to go on. What a run directory has executed must be named again."""
    named = [shlex.quote(as_written(key, values)) for key, values in executed(config).items() if values]
    return " ".join(["harness sweep", shlex.quote(f"resume={path}"), *named])


def report(path: Path, console: Console) -> int:
    """Analyse a run, write its report, and print the summary. Answers the exit status."""
    from harness.report import print_summary, write_report

    run = load_run(path)
    try:
        paths = write_report([run], path)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        raise HarnessError(
            f"{path}: the report cannot be written: {where}{error.strerror or error}; what was measured is kept: "
            f"harness report {path}"
        ) from error
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
        inventory: Inventory,
        variables: dict[str, str],
        launcher: Launcher,
        records: Writer,
        log: IO[str],
        console: Console,
        all_points: Sequence[Point],
    ) -> None:
        self.config, self.plan, self.run, self.log = config, plan, run, log
        self.inventory, self.device_kind, self.variables = inventory, inventory.kind, variables
        self.launcher, self.records, self.console = launcher, records, console
        self.todo = remaining(plan, _done(run.path))
        # In the whole plan, by which shards are merged in its order.
        self.places = {point.key: place for place, point in enumerate(all_points)}

    def announce(self, environment: dict[str, Any]) -> None:
        """Write down every point and what is known of it before anything is measured."""
        self.records.write(
            "start",
            time_utc=environment["time_utc"],
            device_kind=environment["device_kind"],
            device_name=environment["device_name"],
            cores=environment["cpu"]["cores_usable"],
        )
        known = {r["key"] for r in read_launcher(self.run.path) if r["type"] == "point"}
        for point in self.plan.points:
            if point.key not in known:
                nodes, place = self.inventory.nodes_for(point.devices), self.places[point.key]
                self.records.write("point", **point_record(point, nodes), place=place)
        for key, reason in self.todo.unsupported.items():
            self.records.write("outcome", key=key, status=schema.UNSUPPORTED, error=reason)

    def measure(self) -> None:
        """Run every session; a session that breaks is started again with the cells it has not reached."""
        modes = {p.mode for session in self.todo.sessions for cell in session.cells for p in cell.points}
        for mode in sorted(modes):
            with contextlib.suppress(Exception):  # the ranks will fail of it too, and their rows say why
                get_mode(mode).make_ready()
        planned = sum(session.points for session in self.todo.sessions)
        done = len(self.plan.points) - planned
        with Display(self.console, len(self.plan.points), done, self.config) as display:
            for session in self.todo.sessions:
                rest: Session | None = session
                while rest is not None:
                    rest = self.one_session(rest, display)

    def one_session(self, session: Session, display: Display) -> Session | None:
        """Run a session once; answers the part of it that must be started again, or None."""
        nodes = self.inventory.nodes_for(session.devices)
        left = self.launcher.nodes_left()
        if left is not None and left < nodes:
            self.without_nodes(session, left, nodes, display)
            return None
        session_id, folder = self.new_session(session)
        start = self.launcher.start(session, session_id, folder, nodes, display.note)
        display.session(session, session_id)
        print(f"{_now()} {session_id}: {' '.join(start.command)}", file=self.log, flush=True)
        ending = run_session(
            start.command,
            start.variables | self.variables,
            self.log,
            timeout_s=self.config.timeout_s,
            startup_timeout_s=self.config.launcher.startup_timeout_s,
            on_event=display.event,
            on_tick=display.tick,
            reach=start.reach,
        )
        print(f"{_now()} {session_id}: {ending.how} {ending.reason}", file=self.log, flush=True)
        told_to_end = start.reach.told_to_end
        if ending.how == DIED and (told_to_end or self.launcher.is_ending()):
            # Whatever the ranks died of, what is left of the job would only fail of the same.
            raise Interrupted(signal.SIGTERM, requeue=True, reason="the end of the job")
        if start.reach.failed_node and ending.how != FINISHED:
            (folder / NODE_FAILURE_FILE).touch()
            display.note(f"session {session_id}: {ending.reason}")
            if self.node_failures(session) <= TRIES_AFTER_NODE_FAILURE:
                # It says nothing of the cell in flight, which is tried again with the others.
                ended = session_progress(self.run.path, session_id).ended
                rest = tuple(cell for cell in session.cells if cell.id not in ended)
                return replace(session, cells=rest) if rest else None
        return self.settle(session, session_id, ending, display)

    def node_failures(self, session: Session) -> int:
        """How often sessions of this kind have lost a node, in this run of the job and those before."""
        tries = session_folder(self.run.path, f"*{session.controller}-{session.devices}-try*")
        return sum(1 for _ in tries.parent.glob(f"{tries.name}/{NODE_FAILURE_FILE}"))

    def without_nodes(self, session: Session, left: int, nodes: int, display: Display) -> None:
        """What a job does that has lost nodes: it is started again, with others; after that it makes do without."""
        reason = f"the loss of nodes ({nodes} needed, {left} left of the job)"
        lost = session_folder(self.run.path, "*").parent.glob(f"*/{NODE_FAILURE_FILE}")
        if sum(1 for _ in lost) <= TRIES_AFTER_NODE_FAILURE:
            raise Interrupted(signal.SIGTERM, requeue=True, reason=reason)
        for cell in session.cells:
            for point in cell.points:
                self.records.write("outcome", key=point.key, status=schema.FAILED, error=reason)
            display.lost(cell, len(cell.points), schema.FAILED, reason)

    def settle(self, session: Session, session_id: str, ending: Ending, display: Display) -> Session | None:
        """Give the points of a broken session their rows; answers what is left of it to be measured."""
        progress = session_progress(self.run.path, session_id)
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
                    self.records.write(
                        "outcome", key=point.key, status=row_status, error=row_reason, session=session_id
                    )
            display.lost(cell, len(cell.points) - len(again), *next(iter(known.values()), (status, reason)))
            if again:
                rest.insert(0, Cell(again))
        return replace(session, cells=tuple(rest)) if rest else None

    def new_session(self, session: Session) -> tuple[str, Path]:
        """Make the folder of a session that has not been used before, with its file in it."""
        session_id = next_session_id(self.run.path, session, _shard(self.config))
        folder = self.run.make_session_folder(session_id)
        config = self.config
        SessionSpec(
            id=session_id,
            cells=session.cells,
            controller=session.controller,
            devices=session.devices,
            device_kind=self.device_kind,
            threads=config.device.threads,
            affinity=config.device.affinity,
            usage=config.monitor.usage,
            window_s=window_seconds(config, self.device_kind),
            seed=config.seed,
            timing=config.timing,
            plugins=tuple(config.plugins),
            raw=self.run.raw.absolute(),
            store=folder / "store" if self.launcher.meets_in_file else None,
            revision=revision(),
        ).save(folder / "session.json")
        self.launcher.write_nodes_file(folder, self.run.path.absolute())
        return session_id, folder

    def save_points(self) -> None:
        """Write points.csv from what is there, on the way out."""
        from harness.report import write_csv

        with contextlib.suppress(OSError, HarnessError):
            made = Made(self.run.path, adopt=True)
            write_csv(load_run(self.run.path).points, made)


def point_record(point: Point, nodes: int = 1) -> dict[str, Any]:
    """A planned point as the launcher writes it down: all that the analysis knows of it."""
    place = {name: getattr(point, name) for name in (*axes.AXES, axes.SCALING)}
    return {
        "key": point.key,
        "cell": Cell((point,)).id,
        "axes": {**place, axes.NODES: nodes},
        # The analysis must not depend on which plugins are loaded where it runs.
        "needs_python": get_mode(point.mode).needs_python,
        "holds_lock": get_mode(point.mode).holds_lock,
    }


def _done(path: Path) -> set[str]:
    """Keys of points that have their final row already."""
    if not (path / RAW).is_dir():
        return set()
    points = load_run(path).points
    return set(points.loc[points["status"].isin(schema.FINAL_STATUSES), "key"])


def _bytes_needed(plan: Plan, config: Config) -> int:
    blocks = sum(s.points * s.ranks for s in plan.sessions) * config.timing.max_rounds
    return BYTES_FOR_REPORT + blocks * BYTES_PER_BLOCK


def _check_same_machine(run: RunDirectory, environment: dict[str, Any], key: str, config: Config) -> None:
    before = run.environment()
    if before and config.launcher.kind == SLURM:
        # A job that is started again may be given other nodes of the same kind; records name theirs.
        before = {**before, "host": environment["host"]}
    if before and (changed := differences(before, environment)):
        raise ConfigError(
            key, run.path, f"a run of this machine, or a new folder; changed since: {'; '.join(changed)}"
        )


def _now() -> str:
    return datetime.now(timezone.utc).strftime("%H:%M:%S")
