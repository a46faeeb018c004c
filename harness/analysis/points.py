"""The table of points: a row for each that was measured, or of which it is known why not.

In: raw records and samples of a run. Out: a PointTable. Must not know files.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import pandas as pd

from harness.analysis.by_session import BySession
from harness.analysis.collected.collect import Collected
from harness.analysis.noise import between_sessions
from harness.analysis.planned import planned_points
from harness.analysis.progress import Word, last_word
from harness.analysis.relations import add_relations
from harness.analysis.rows import Row, measured_rows
from harness.analysis.sampled.notes import Sampled
from harness.analysis.sampled.samples import Samplings
from harness.core import axes, schema, warnings
from harness.core.stats.spread import NOTHING_KNOWN, Earlier, Spread, Spreads
from harness.records.raw import Launcher


@dataclass(frozen=True)
class PointTable:
    """frame: columns as schema.COLUMNS, in the order of the plan; dtypes: Int64 for INTEGER_COLUMNS, str for
    TEXT_COLUMNS ("" where empty), float64 for the rest (NaN where empty). missing: planned points that have no row
    yet. unplanned: points that were measured, and of which no plan is known; given_up: likewise, that were not.
    sampled: how each measured point was sampled. drift: of the machine between earlier sweeps, as far as it is in the
    intervals. spreads: between the sessions of this run. by_session: point key -> what each session found of it."""

    frame: pd.DataFrame
    missing: int
    unplanned: int
    given_up: int
    sampled: list[Sampled]
    drift: Spread | None = None
    spreads: Spreads | None = None
    by_session: Mapping[str, BySession] = field(default_factory=dict)


def make_table(launcher: Launcher, collected: Collected, samplings: Samplings) -> PointTable:
    planned = planned_points(launcher.points)
    start = launcher.starts[-1] if launcher.starts else None
    cores = start.cores if start else None
    earlier = Earlier.of(start.spreads, start.drift) if start else NOTHING_KNOWN
    rows = measured_rows(collected, planned, cores, samplings.of_samplers, earlier)
    for key, (status, error) in last_word([*_outcomes(launcher), *_drops(collected)]).items():
        rows.setdefault(key, Row({"status": status, "error": error}))
    device = {"device_kind": start.device_kind, "device_name": start.device_name} if start else {}
    table = [
        {
            **device,
            **point.axes,
            **rows[key].values,
            "key": key,
            "framework": point.framework,
            "style": point.style,
            "needs_python": schema.yes_no(point.needs_python),
            "holds_lock": schema.yes_no(point.holds_lock),
            "warnings": warnings.joined(rows[key].warnings),
        }
        for key, point in planned.items()
        if key in rows
    ]
    frame = _typed(pd.DataFrame(table, columns=[*schema.COLUMNS, axes.SCALING]))
    by_session = {key: row.by_session for key, row in rows.items() if row.by_session}
    add_relations(frame, by_session)
    sampled = [
        Sampled(row.steady, planned[key].axes, row.values["threads"])
        for key, row in rows.items()
        if row.values["status"] == schema.OK
    ]
    unplanned = {*collected.timed, *(key for cell in collected.measured for key in cell.keys)} - set(planned)
    given_up = set(rows) - unplanned - set(planned)
    frame, missing = frame[list(schema.COLUMNS)], len(planned) - len(frame)
    found = [(planned[key].is_reference, row.by_session) for key, row in rows.items() if key in planned]
    references, others = (
        [each for is_reference, each in found if each and is_reference == wanted] for wanted in (True, False)
    )
    spreads = between_sessions(references, others)
    return PointTable(
        frame, missing, len(unplanned), len(given_up), sampled, earlier.drift, spreads, by_session
    )


def _outcomes(launcher: Launcher) -> Iterator[Word]:
    """The launcher's words in reverse: of two on the same try, the later one counts."""
    for at, outcome in enumerate(launcher.outcomes):
        yield Word(outcome, outcome.session, -at)


def _drops(collected: Collected) -> Iterator[Word]:
    for drop in collected.drops:
        yield Word(drop.said, drop.session, drop.said.at_ns, str(drop.rank))


def _typed(frame: pd.DataFrame) -> pd.DataFrame:
    for column in frame.columns:
        if column in schema.INTEGER_COLUMNS:
            frame[column] = pd.array(frame[column], dtype="Int64")
        elif column in schema.TEXT_COLUMNS or column == axes.SCALING:
            frame[column] = frame[column].where(frame[column].notna(), "").astype(str)
        else:
            frame[column] = pd.to_numeric(frame[column]).astype("float64")
    return frame
