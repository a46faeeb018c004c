"""The table of points: a row for each that was measured, or of which it is known why not.

In: raw records and samples of a run. Out: a PointTable. Must not know files.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd

from harness.analysis.collect import Collected
from harness.analysis.planned import planned_points
from harness.analysis.progress import last_word
from harness.analysis.relations import add_relations
from harness.analysis.rows import Row, measured_rows
from harness.analysis.sampled.notes import Sampled
from harness.analysis.sampled.samples import Samplings
from harness.core import axes, schema, warnings
from harness.core.stats.spread import NOTHING_KNOWN, Earlier, Spread
from harness.records.raw import LAUNCHER_FILE, RawData


@dataclass(frozen=True)
class PointTable:
    """frame: columns as schema.COLUMNS, in the order of the plan; dtypes: Int64 for INTEGER_COLUMNS, str for
    TEXT_COLUMNS ("" where empty), float64 for the rest (NaN where empty). missing: planned points that have no row
    yet. sampled: how each measured point was sampled. drift: of the machine between earlier sweeps, as far as it is in
    the intervals."""

    frame: pd.DataFrame
    missing: int
    sampled: list[Sampled]
    drift: Spread | None = None


def make_table(raw: RawData, collected: Collected, samplings: Samplings) -> PointTable:
    launcher = raw.files.get(LAUNCHER_FILE, [])
    planned = planned_points(launcher)
    start = next((record for record in reversed(launcher) if record["type"] == "start"), None)
    cores, earlier = (int(start["cores"]), Earlier.of(start)) if start else (None, NOTHING_KNOWN)
    rows = measured_rows(collected, planned, cores, samplings.of_samplers, earlier)
    for key, (status, error) in last_word([*_outcomes(launcher), *collected.drops]).items():
        rows.setdefault(key, Row({"status": status, "error": error}))
    device = {name: start[name] for name in ("device_kind", "device_name")} if start else {}
    table = [
        {
            **device,
            **point.axes,
            **rows[key].values,
            "key": key,
            "needs_python": schema.yes_no(point.needs_python),
            "holds_lock": schema.yes_no(point.holds_lock),
            "warnings": warnings.joined(rows[key].warnings),
        }
        for key, point in planned.items()
        if key in rows and rows[key].values["status"] in schema.STATUSES
    ]
    frame = _typed(pd.DataFrame(table, columns=[*schema.COLUMNS, axes.SCALING]))
    add_relations(frame, {key: row.by_session for key, row in rows.items() if row.by_session})
    sampled = [
        Sampled(row.steady, planned[key].axes, row.values["threads"])
        for key, row in rows.items()
        if row.values["status"] == schema.OK
    ]
    return PointTable(frame[list(schema.COLUMNS)], len(planned) - len(frame), sampled, earlier.drift)


def _outcomes(launcher: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The launcher's words in reverse: of two on the same try, the later one counts."""
    return [{**r, "at_ns": -at} for at, r in enumerate(launcher) if r["type"] == "outcome"]


def _typed(frame: pd.DataFrame) -> pd.DataFrame:
    for column in frame.columns:
        if column in schema.INTEGER_COLUMNS:
            frame[column] = pd.array(frame[column], dtype="Int64")
        elif column in schema.TEXT_COLUMNS or column == axes.SCALING:
            frame[column] = frame[column].where(frame[column].notna(), "").astype(str)
        else:
            frame[column] = pd.to_numeric(frame[column]).astype("float64")
    return frame
