"""A sweep from its configuration to a complete run directory.

In: a checked Config. Out: a run directory in which every point has a row. Joins the stages in their one
order: plan, run directory, sessions, points, report. Must not know torch.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Console

from harness.cluster.choice import SLURM, Setting, make_setting
from harness.cluster.jobs.job_folder import JOB
from harness.core.emulated import device_variables
from harness.core.errors import ConfigError, HarnessError
from harness.core.processes.interrupt import Interrupted, signals_raise
from harness.core.spoilers import told
from harness.machine.environment import describe_environment, differences, take_inventory
from harness.machine.loopback import check_loopback
from harness.machine.spreads import earlier_sweeps
from harness.plan.config import Config
from harness.plan.inventory import Inventory
from harness.plan.layout import make_plan
from harness.plan.points import Plan, Point, remaining
from harness.plan.repeats import cells_with_null
from harness.plan.shards import shard_of, shard_plan
from harness.records.acceptable import check_path
from harness.records.directory import BYTES_FOR_REPORT, BYTES_PER_BLOCK, RunDirectory, open_run
from harness.records.files import describe_os_error, reserved
from harness.records.lines import Writer
from harness.records.raw import LAUNCHER_FILE, read_launcher
from harness.report.write import prepare
from harness.sweep.announce import announce, write_unsupported
from harness.sweep.display import Display
from harness.sweep.dry_run import print_plan
from harness.sweep.outcome import report, save_points
from harness.sweep.repeats import measure
from harness.sweep.resume import resume_command, tally_of
from harness.sweep.sessions import Site, make_modes_ready
from harness.sweep.versions import other_versions


def run_sweep(config: Config, console: Console, typed: Sequence[str] = ()) -> int:
    """Measure what the run directory lacks and report it. Answers the exit status. typed: the overrides that the config
    comes of.

    0: every point has its row and at least one was measured (or none could be); 1: nothing could be measured although
    something was tried, or a part of the report could not be written. Raises ConfigError before anything starts if
    something is refused, Interrupted when a signal ended it.
    """
    path, status = measure_sweep(config, console, typed)
    return report(path, console) if status is None else status


def measure_sweep(config: Config, console: Console, typed: Sequence[str] = ()) -> tuple[Path, int | None]:
    """As run_sweep without the report; answers the run directory, and the exit status where there is nothing to
    report."""
    setting = make_setting(config)
    named = config.resume or config.out
    path = Path(named) if named else setting.path
    # Another name will do where the path is taken, by a sweep that was started in the same second.
    anew = not named and not setting.is_reserved
    if not (anew and path.exists()):
        check_path(path, config, _key(config), setting.ownership)
    launcher = setting.launcher
    with device_variables(launcher.node_config().emulator) as variables:
        machine = _look_around(config, setting, variables)
        plan, whole = _planned(config, machine.inventory, console)
        if config.dry_run:
            # What is measured already counts here too: the plan shows what a start would do.
            todo = remaining(plan, tally_of(path, plan, machine.inventory).enough(config.timing.sessions))
            print_plan(console, todo, config, path, machine.inventory, variables, setting, typed)
            return path, 0
        if launcher.meets_in_file:
            check_loopback()
        prepare()
        path = _reserved(path) if anew else path
        run = open_run(path, config, _key(config), setting.ownership)
        try:
            _measure(config, run, machine, plan, whole, console)
        except OSError as error:
            raise HarnessError(f"{path}: {error.strerror or error}; what was measured is kept") from error
        finally:
            run.close()
    return path, None


def _reserved(path: Path) -> Path:
    try:
        return reserved(path)
    except OSError as error:
        raise ConfigError("out", path, f"a folder that can be made; {describe_os_error(error)}") from None


@dataclass(frozen=True)
class _Machine:
    """What is there. probe: what torch said of itself; variables: under which devices are seen."""

    inventory: Inventory
    probe: dict[str, Any]
    variables: dict[str, str]
    setting: Setting


def _key(config: Config) -> str:
    """The key by which the run directory was named, for messages."""
    return "resume" if config.resume else "out"


def _look_around(config: Config, setting: Setting, variables: dict[str, str]) -> _Machine:
    probe = setting.launcher.probe(variables)
    return _Machine(setting.launcher.inventory(take_inventory(config, probe)), probe, variables, setting)


def _planned(config: Config, inventory: Inventory, console: Console) -> tuple[Plan, tuple[Point, ...]]:
    """The plan of this shard, and the points of all shards together."""
    whole = plan = make_plan(config, inventory)
    if shard := shard_of(config):
        plan = shard_plan(whole, shard, config, inventory)
    if config.hidden is not None and (config.depth or config.width):
        console.print(
            f"hidden={list(config.hidden)} is given: depth and width are not swept", highlight=False
        )
    return plan, whole.points


def _measure(
    config: Config,
    run: RunDirectory,
    machine: _Machine,
    plan: Plan,
    whole: tuple[Point, ...],
    console: Console,
) -> None:
    launcher, job = machine.setting.launcher, machine.setting.job
    environment = describe_environment(machine.inventory, machine.probe)
    if config.launcher.kind == SLURM and job is not None:
        environment[JOB] = job.identity.plain()
    said = [f"{what}: {does}" for what, does in told(environment["variables"])]
    said += other_versions(environment["source_digest"], read_launcher(run.path).starts, os.environ)
    for text in filter(None, (machine.inventory.hidden, *said)):
        console.print(text, markup=False, highlight=False, soft_wrap=True)
    tally = tally_of(run.path, plan, machine.inventory)
    todo = remaining(plan, tally.enough(config.timing.sessions))
    run.check_space(_bytes_needed(todo, config))
    _check_same_machine(run, environment, config)
    run.write_config(config)
    run.write_environment(environment)
    left = sum(session.points for session in todo.sessions)
    with (
        run.open_log() as log,
        signals_raise(requeue=config.launcher.kind == SLURM),
        contextlib.closing(Writer(run.raw / LAUNCHER_FILE)) as records,
        _table_kept(run.path, config),
    ):
        known = {point.key for point in read_launcher(run.path).points}
        earlier = earlier_sweeps(environment)
        if config.timing.sessions > 1:
            earlier = replace(earlier, spreads=None)  # its sessions show their own
        announce(records, environment, plan, whole, machine.inventory, known, earlier)
        write_unsupported(records, todo.unsupported)
        nulls = cells_with_null(plan.points, config.timing.null_every)
        site = Site(
            config,
            run,
            machine.inventory,
            machine.variables,
            launcher,
            records,
            log,
            nulls,
            environment["source"] or "",
        )
        with launcher.sampler(run.path, machine.variables):
            make_modes_ready(todo)
            with Display(console, len(plan.points), len(plan.points) - left, config) as display:
                measure(site, todo, tally, display)


@contextlib.contextmanager
def _table_kept(path: Path, config: Config) -> Iterator[None]:
    """Within: whatever ends the sweep early leaves points.csv of what was measured, and a signal a word on resuming."""
    try:
        yield
    except Interrupted as signal:
        save_points(path)
        signal.kept = f"what was measured is kept: {resume_command(path, config)} goes on from there"
        raise
    except HarnessError:
        save_points(path)
        raise


def _bytes_needed(plan: Plan, config: Config) -> int:
    timing = config.timing
    rounds = timing.max_sessions * timing.builds * timing.rounds
    blocks = sum(s.points * s.ranks for s in plan.sessions) * rounds
    return BYTES_FOR_REPORT + blocks * BYTES_PER_BLOCK


def _check_same_machine(run: RunDirectory, environment: dict[str, Any], config: Config) -> None:
    before = run.environment()
    if before and config.launcher.kind == SLURM:
        # A job that is started again may be given other nodes of the same kind; records name theirs.
        before = {**before, "host": environment["host"]}
    if before and (changed := differences(before, environment)):
        raise ConfigError(
            _key(config),
            run.path,
            f"a run of this machine, or a new folder; changed since: {'; '.join(changed)}",
        )
