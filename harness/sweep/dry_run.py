"""What a start would do, for `dry_run=true`.

In: a plan. Out: text. Starts nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from harness.cluster.choice import SLURM, Setting
from harness.cluster.submitting.login import submissions
from harness.launch.torchrun import shell_line
from harness.plan.config import Config, TimingConfig
from harness.plan.estimate import estimate_seconds
from harness.plan.inventory import Inventory
from harness.plan.points import Plan
from harness.plan.shards import shard_of
from harness.records.files import next_session_id, session_folder
from harness.sweep.durations import in_words


def _repeated(timing: TimingConfig) -> str:
    if timing.max_sessions == 1:
        return "every session is measured once, so that nothing is known of how processes differ"
    more = (
        f", {timing.max_sessions} times where intervals stay wide"
        if timing.max_sessions > timing.sessions
        else ""
    )
    return f"every session is measured {timing.sessions} times, each time in fresh processes{more}"


def print_plan(
    console: Console,
    plan: Plan,
    config: Config,
    path: Path,
    inventory: Inventory,
    device_variables: dict[str, str],
    setting: Setting,
    typed: Sequence[str],
) -> None:
    """What a start would do: points, cells, sessions, the command of each, and the time it may take.

    typed: the overrides that it was asked for with.
    """
    launcher = setting.launcher

    def say(text: str) -> None:
        console.print(text, markup=False, highlight=False, soft_wrap=True)

    measured = sum(session.points for session in plan.sessions)
    cells = sum(len(session.cells) for session in plan.sessions)
    say(f"sweep {config.name} on {inventory.kind}: {inventory.name} ({inventory.count} present)")
    in_job = config.launcher.kind == SLURM and setting.job is None and config.out is None
    say(f"run directory: {path.parent / 'job-<its number>' if in_job else path}")
    say(
        f"{len(plan.points)} points; to measure: {measured} points in {cells} cells in "
        f"{len(plan.sessions)} sessions; unsupported here: {len(plan.unsupported)}"
    )
    say(_repeated(config.timing))
    for session in plan.sessions:
        session_id = next_session_id(path, session.controller, session.devices, shard_of(config))
        say(
            f"\nsession {session_id}: {session.ranks} ranks, {len(session.cells)} cells, {session.points} points"
        )
        for cell in session.cells:
            say(f"  {cell.label}: {', '.join(point.name for point in cell.points)}")
        folder = session_folder(path.absolute(), session_id)
        nodes = inventory.nodes_for(session.devices)
        if start := launcher.start(session, session_id, folder, nodes, say):
            say("  " + shell_line(start.command, start.variables | device_variables))
    for reason in sorted(set(plan.unsupported.values())):
        count = sum(1 for other in plan.unsupported.values() if other == reason)
        say(f"\nunsupported: {count} points: {reason}")
    least, most = estimate_seconds(plan, config, inventory)
    times = dict.fromkeys((in_words(least), in_words(most)))
    say(f"\nestimated time: {' to '.join(times)} (a rough cost of a step; nothing was run)")
    if config.launcher.kind == SLURM and setting.job is None:
        checked, alone = submissions(typed, inventory, most)
        say(f"\nto submit it, checked: {checked}\nby sbatch alone: {alone}")
