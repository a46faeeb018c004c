"""The sessions of a plan, one after the other, each until it is measured or given up.

In: what is left of a plan, and the Site to run it on. Out: records of every point. Must not know any way to start a
session, how it is measured, nor what becomes of the records.
"""

from __future__ import annotations

import contextlib
import secrets
import signal
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import IO, Any

from harness.analysis.progress import session_progress
from harness.core.files.revision import revision
from harness.core.processes.interrupt import Interrupted
from harness.launch.launcher import Launcher, Start
from harness.launch.layout import layout_variables
from harness.launch.run import DIED, FINISHED, Ending, run_session
from harness.modes import get_mode
from harness.plan.allowed.environments import environments_of, is_driven
from harness.plan.config import Config
from harness.plan.estimate import window_seconds
from harness.plan.executed import of_users_model
from harness.plan.inventory import Inventory
from harness.plan.points import Plan, Session
from harness.plan.shards import shard_of
from harness.records.directory import BYTES_FOR_REPORT, RunDirectory
from harness.records.files import next_session_id
from harness.records.lines import Writer
from harness.session.messages import Visit
from harness.session.spec import SessionSpec
from harness.sweep.display import Display
from harness.sweep.settle import settle
from harness.sweep.tally import Tally

# What a double holds exactly, and so every reader of JSON.
DRAW_BITS = 53


@dataclass(frozen=True)
class Site:
    """Where sessions are run. variables: under which processes see the devices. records: launcher.jsonl. log: where
    the output of all processes goes. nulls: ids of cells that hold a null. source: commit of this harness, "" where
    that is not known."""

    config: Config
    run: RunDirectory
    inventory: Inventory
    variables: dict[str, str]
    launcher: Launcher
    records: Writer
    log: IO[str]
    nulls: frozenset[str] = frozenset()
    source: str = ""


def make_modes_ready(plan: Plan) -> None:
    """What all ranks use is made once, before any of them."""
    modes = {p.mode for session in plan.sessions for cell in session.cells for p in cell.points}
    for mode in sorted(modes):
        with contextlib.suppress(Exception):  # the ranks will fail of it too, and their rows say why
            get_mode(mode).make_ready()


def measure_once(site: Site, session: Session, tally: Tally, display: Display, *, held: bool) -> None:
    """Run a session; one that breaks is started again with the cells it has not reached. held: whether each point is
    held in a steady state for samplers, and the memory of its step looked at."""
    rest: Session | None = session
    while rest is not None:
        rest = _one_session(site, rest, tally, display, held)


def _one_session(site: Site, session: Session, tally: Tally, display: Display, held: bool) -> Session | None:
    """Run a session once; answers the part of it that must be started again, or None."""
    nodes = site.inventory.nodes_for(session.devices)
    draw = secrets.randbits(DRAW_BITS)
    session_id, folder = _new_session(site, session, draw, held)
    start = site.launcher.start(session, session_id, folder, nodes, display.note)
    assert start is not None, "a launcher that only plans"
    display.session(session, session_id)
    ending = _run(site, session_id, start, draw, display)
    if ending.how == DIED and (start.reach.told_to_end or site.launcher.is_ending()):
        # Whatever the ranks died of, what is left of the job would only fail of the same.
        reason = f"the end of the job ({ending.reason})"
        raise Interrupted(signal.SIGTERM, requeue=True, reason=reason)
    return _settled(site, session, session_id, ending, tally, display)


def _run(site: Site, session_id: str, start: Start, draw: int, display: Display) -> Ending:
    def heard(message: dict[str, Any]) -> None:
        if Visit.of(message) is not None:
            site.launcher.progressed()
        display.event(message)

    _log(site, session_id, " ".join(start.command))
    ending = run_session(
        start.command,
        start.variables | site.variables | layout_variables(draw),
        site.log,
        timeout_s=site.config.timeout_s,
        startup_timeout_s=site.config.launcher.startup_timeout_s,
        on_event=heard,
        on_tick=display.tick,
        reach=start.reach,
        inherited=start.inherited,
    )
    _log(site, session_id, f"{ending.how} {ending.reason}")
    return ending


def _log(site: Site, session_id: str, text: str) -> None:
    now = datetime.now(timezone.utc).isoformat(timespec="seconds")
    print(f"{now} {session_id}: {text}", file=site.log, flush=True)


def _new_session(site: Site, session: Session, draw: int, held: bool) -> tuple[str, Path]:
    """Make the folder of a session that has not been used before, with its file in it."""
    config, kind = site.config, site.inventory.kind
    environments = environments_of(config)
    session_id = next_session_id(site.run.path, session.controller, session.devices, shard_of(config))
    folder = site.run.make_session_folder(session_id)
    SessionSpec(
        id=session_id,
        draw=draw,
        cells=session.cells,
        nulls=tuple(cell.id for cell in session.cells if cell.id in site.nulls),
        controller=session.controller,
        devices=session.devices,
        device_kind=kind,
        threads=config.device.threads,
        affinity=config.device.affinity,
        usage=config.monitor.usage,
        memory=held,
        serialise=held and config.serialise,
        window_s=window_seconds(config, kind) if held else 0.0,
        seed=config.seed,
        timing=config.timing,
        plugins=tuple(config.plugins),
        search=(str(Path.cwd()),) if of_users_model(config) else (),
        raw=site.run.raw.absolute(),
        store=folder / "store" if site.launcher.meets_in_file else None,
        revision=revision(),
        source=site.source,
        environments=environments if is_driven(environments) else (),
        timeout_s=config.timeout_s,
    ).save(folder / "session.json")
    site.launcher.write_nodes_file(folder, site.run.path.absolute())
    return session_id, folder


def _settled(
    site: Site, session: Session, session_id: str, ending: Ending, tally: Tally, display: Display
) -> Session | None:
    """Give the points of a broken session their rows; answers what is left of it to be measured."""
    progress = session_progress(site.run.path, session_id)
    tally.note(session, progress.ended, () if ending.killed else progress.dropped)
    if all(cell.id in progress.ended for cell in session.cells):
        if ending.how != FINISHED:
            display.note(f"session {session_id} ended early ({ending.reason}); its cells keep their rounds")
        return None
    if ending.how == DIED:
        site.run.check_space(BYTES_FOR_REPORT // 8)  # ranks that cannot write die: say so instead
    settled = settle(session, progress, ending)
    for lost in settled.lost:
        for point, status, reason in lost.rows:
            site.records.write("outcome", key=point.key, status=status, error=reason, session=session_id)
            tally.given_up.add(point.key)
        display.lost(lost.cell, len(lost.rows), lost.status, lost.reason)
    return settled.rest
