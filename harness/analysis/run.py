"""A run directory, analysed.

In: a run directory. Out: a Run with its points as a pandas DataFrame (columns of schema.COLUMNS).
Must not know torch, nor how anything was launched.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from harness.analysis.by_session import BySession
from harness.analysis.collected.collect import Collected, collect, sessions_worth
from harness.analysis.device_model import add_device_model
from harness.analysis.environments import notes_on_environments
from harness.analysis.points import PointTable, make_table
from harness.analysis.sampled.notes import notes_on_sampling
from harness.analysis.sampled.over_time import Timeline, make_timeline
from harness.analysis.sampled.samples import read_samples
from harness.core.collector import no_collections
from harness.core.errors import ConfigError
from harness.core.files import beneath
from harness.core.files.plain import read_json
from harness.core.spoilers import told as spoilers_told
from harness.core.stats.spread import ASSUMED_DRIFT, FEWEST_SWEEPS, Spread, Spreads
from harness.records.files import CONFIG_FILE, ENVIRONMENT_FILE, read_config
from harness.records.kinds import Point
from harness.records.lines import told
from harness.records.merged import merged
from harness.records.raw import LAUNCHER_FILE, RAW, Launcher, RawFiles


@dataclass(frozen=True)
class Run:
    """One run directory, analysed.

    points: one row per point, columns and dtypes as PointTable.frame.
    alarm: what must be known before anything of the run is read; empty where it is whole.
    notes: sentences about the run as a whole that a reader must know (skipped lines, missing points).
    timeline: what was sampled beside the run, over time; empty where nothing was.
    speeds: ns that the reference work took in each session. spreads: between the sessions; None where they are few.
    worth: point key -> how many whole sessions what was measured of it makes. by_session: point key -> what each
    session found of it. began: when it was first started, UTC in ISO 8601; empty where that is not known.
    """

    label: str
    directory: Path
    config: dict[str, Any]
    environment: dict[str, Any]
    points: pd.DataFrame
    alarm: str = ""
    notes: tuple[str, ...] = field(default=())
    timeline: Timeline = field(default_factory=Timeline)
    speeds: tuple[float, ...] = ()
    spreads: Spreads | None = None
    worth: dict[str, float] = field(default_factory=dict)
    by_session: Mapping[str, BySession] = field(default_factory=dict)
    began: str = ""


def load_run(directory: Path, planned: Iterable[Point] = ()) -> Run:
    """Analyse a run directory. Everything in the points comes from raw/ and monitor/ alone.

    planned: points that are known to be planned, also where launcher.jsonl has lost them.
    Raises ConfigError if it is no run directory. Lines that cannot be read are skipped and counted.
    """
    config = read_config(directory, "RUN") if beneath.exists(directory, CONFIG_FILE) else {}
    if not (directory / RAW).is_dir() or (directory / RAW).is_symlink():
        raise ConfigError("RUN", directory, "a run directory made by `harness sweep` (with a folder raw/)")
    with no_collections():  # a million small objects that all stay: looking for garbage among them finds none
        raw, samplings = RawFiles(directory), read_samples(directory)
        launcher, collected = raw.launcher(), collect(raw)
        known = {point.key for point in launcher.points}
        launcher.points += [point for point in planned if point.key not in known]
        table = make_table(launcher, collected, samplings)
        add_device_model(table.frame, config)
    notes = [
        *_notes(directory, raw, collected, table),
        *notes_on_sampling(samplings, collected.ranks, table.sampled),
        *notes_on_environments(collected.environments),
    ]
    alarm, of_merge = merged(directory)
    notes += of_merge
    environment = read_json(directory / ENVIRONMENT_FILE) or {}
    notes += [*_versions(launcher), *_distorted(environment), *_covered(table)]
    return Run(
        label=_label(directory, config),
        directory=directory,
        config=config,
        environment=environment,
        points=table.frame,
        alarm=alarm,
        notes=tuple(notes),
        timeline=make_timeline(samplings.of_samplers, collected.spans, launcher.points),
        speeds=tuple(collected.speeds),
        spreads=table.spreads,
        worth=sessions_worth(collected.measured),
        by_session=table.by_session,
        began=launcher.starts[0].time_utc if launcher.starts else "",
    )


def _notes(directory: Path, raw: RawFiles, collected: Collected, table: PointTable) -> Iterator[str]:
    if raw.skipped:
        yield f"{raw.skipped.total()} raw lines were skipped ({told(raw.skipped)})."
    if raw.unread:
        yield f"Not read: {'; '.join(raw.unread)}."
    if collected.unused:
        yield f"{collected.unused.total()} blocks are not used ({told(collected.unused)})."
    if table.unplanned or table.given_up:
        counts = {"measured points": table.unplanned, "points that were given up": table.given_up}
        which = " and ".join(f"{count} {what}" for what, count in counts.items() if count)
        yield (
            f"{which} are not shown: raw/{LAUNCHER_FILE} does not say what they are. "
            f"`harness sweep resume={directory}` writes down anew what it plans."
        )
    if table.missing:
        yield (
            f"{table.missing} of {table.missing + len(table.frame)} points are not measured yet: "
            f"`harness sweep resume={directory}` measures them."
        )


def _versions(launcher: Launcher) -> Iterator[str]:
    """Whether sources were changed between two starts."""
    found = dict.fromkeys((start.revision, start.source) for start in launcher.starts if start.revision)
    if len(found) > 1:
        named = "; ".join(" of ".join(filter(None, each)) for each in found)
        yield (
            f"This run was begun and gone on with by {len(found)} versions of the harness ({named}): "
            "what differs between them is in the figures."
        )


def _distorted(environment: dict[str, Any]) -> Iterator[str]:
    """Variables that were set when the run was started and distort what is measured."""
    if isinstance(hidden := environment.get("devices_hidden"), str) and hidden:
        yield f"When the run was started, {hidden}."
    given = environment.get("variables")
    variables = {str(k): str(v) for k, v in given.items()} if isinstance(given, dict) else {}
    for what, does in spoilers_told(variables):
        yield f"{' '.join(what.replace(' is set', ' was set').split())}: {does}."


def _covered(table: PointTable) -> Iterator[str]:
    """What the intervals of this run hold."""
    if not table.frame["step_us_low"].notna().any():
        return
    intervals = "95 % intervals hold what differs between fresh processes within one sweep"
    if table.drift is None:
        yield (
            f"{intervals}, not how far this machine drifts from one sweep to the next: compare speed-ups with another "
            "sweep's, not times."
        )
    else:
        yield (
            f"{intervals}; those of times and throughputs also how far this machine drifts from one sweep to the next "
            f"({table.drift.sd * 100:.1f} %, {_known_by(table.drift)})."
        )


def _known_by(drift: Spread) -> str:
    assumed = f"{ASSUMED_DRIFT.sd * 100:.0f} %"
    own = drift.dof - ASSUMED_DRIFT.dof
    if own < 1:
        return f"assumed: it is known of this machine after {FEWEST_SWEEPS} sweeps"
    weight = f"beside which {assumed} are assumed with the weight of {ASSUMED_DRIFT.dof + 1:.0f}"
    return f"by {own + 1:.0f} earlier sweeps of this machine, {weight}"


def _label(directory: Path, config: dict[str, Any]) -> str:
    name, folder = str(config.get("name", "")), directory.resolve().name
    return f"{name}/{folder}" if name and name != folder else folder
