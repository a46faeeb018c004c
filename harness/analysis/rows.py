"""One row of the points' table, from the rounds of its point in all sessions.

In: complete measurements, what was planned, what was sampled. Out: a Row per point. Must not know other rows, but for
the reference mode's in the same rounds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import nan
from typing import Any

import numpy as np

from harness.analysis import by_session as quantities
from harness.analysis.by_session import BySession, Part, by_session
from harness.analysis.collected.collect import Collected, MeasuredCell
from harness.analysis.collected.placement import Placement
from harness.analysis.collected.rounds import Series, joined, median
from harness.analysis.planned import Planned
from harness.analysis.row_warnings import Width, row_warnings
from harness.analysis.sampled.join import Join
from harness.analysis.sampled.others import share_beside
from harness.analysis.sampled.samples import Sampling
from harness.analysis.sampled.window import Rank, Steady, Window
from harness.core import axes, schema, warnings
from harness.core.cpu_time import LOADED_SHARE
from harness.core.stats.spread import Earlier
from harness.core.warnings import PointWarning
from harness.records.kinds import Prepared, Serialisation, Session
from harness.records.naming import null_key


@dataclass
class Row:
    """values: column (of schema.COLUMNS) -> value. by_session: of a point that was measured. steady: how it was
    sampled; None where it was not held for that."""

    values: dict[str, Any]
    warnings: list[PointWarning] = field(default_factory=list)
    by_session: BySession | None = None
    steady: Steady | None = None


@dataclass
class _Measured:
    """A point's complete measurements, one a session. others: share of the cores that other programs used meanwhile."""

    cells: list[MeasuredCell] = field(default_factory=list)
    others: list[float] = field(default_factory=list)
    parts: list[Part] = field(default_factory=list)


def measured_rows(
    collected: Collected,
    planned: Mapping[str, Planned],
    cores: int | None,
    samplings: list[Sampling],
    earlier: Earlier,
) -> dict[str, Row]:
    """Point key -> its row, from complete measurements. cores: of a node. earlier: what was known of this
    machine when the sweep was started."""
    if not collected.rounds:
        return {}
    join = Join(samplings, [rank for ranks in collected.ranks.values() for rank in ranks])
    rows: dict[str, Row] = {}
    for key, measured in _by_point(collected, planned, samplings).items():
        rows[key] = row = _row(measured, planned[key], cores, earlier)
        row.values["framework_version"] = measured.cells[0].session.torch
        if said := collected.environments.get(planned[key].environment):
            row.values["gil"] = said.get("gil", "")
            called = said.get("framework", "")
            row.values["framework_version"] = called.removeprefix(planned[key].framework).strip()
        if saved := collected.serialisations.get(key):
            row.values |= _of_serialisation(saved)
        _add_load(row, measured.others)
        _add_placement(row, [collected.placements.get(part.session) for part in measured.parts])
        _add_samples(row, planned[key], join, collected, key, measured.parts)
    return rows


def _by_point(
    collected: Collected, planned: Mapping[str, Planned], samplings: list[Sampling]
) -> dict[str, _Measured]:
    rounds = collected.rounds
    points: dict[str, _Measured] = {}
    for cell in collected.measured:
        session = cell.session.session
        series = {
            key: rounds[session, key] for key in cell.keys if key in planned and (session, key) in rounds
        }
        references = {planned[key].environment: key for key in series if planned[key].is_reference}
        here = {planned[key].axes[axes.MODE]: own for key, own in series.items() if planned[key].is_here}
        others = _others(samplings, collected.ranks[session], series)
        for key, own in series.items():
            null = (session, null_key(key))
            reference = references.get(planned[key].environment)
            beside = rounds[null] if key == reference and null in rounds else None
            same = None if planned[key].is_here else here.get(planned[key].axes[axes.MODE])
            point = points.setdefault(key, _Measured())
            point.cells.append(cell)
            point.others.append(others)
            point.parts.append(Part(session, own, series.get(reference or ""), beside, same))
    return points


def _row(measured: _Measured, planned: Planned, cores: int | None, earlier: Earlier) -> Row:
    own = joined([part.own for part in measured.parts])
    found = by_session(measured.parts, planned, earlier)
    values = {
        "status": schema.OK,
        **_with_intervals(found),
        **_of_rounds(own, measured.parts),
        **_of_host(own, measured.cells[0].session),
        **_of_preparation([p for cell in measured.cells for p in cell.prepared.get(planned.key, [])]),
    }
    row = Row(values, by_session=found)
    quoted = _quoted(planned, values)
    # Without what further sessions cannot narrow.
    error = found.error(quoted)
    width = Width(error.interval().relative_half_width if error else nan, of_step=quoted == quantities.STEP)
    row.warnings += row_warnings(measured.cells, own, planned, cores, width)
    if found.borrowed:
        row.warnings.append(warnings.STORED_SPREAD)
    return row


def _quoted(planned: Planned, values: Mapping[str, Any]) -> str:
    """What is asked of a point: of another environment what it gains, of a mode its speed-up, else its time."""
    if quantities.VS_HERE in values:
        return quantities.VS_HERE
    return quantities.STEP if planned.is_reference or quantities.SPEEDUP not in values else quantities.SPEEDUP


def _with_intervals(found: BySession) -> dict[str, float]:
    """Every quantity with both ends of its interval; NaN where it has none."""
    values: dict[str, float] = {}
    for quantity in quantities.QUANTITIES:
        if (interval := found.interval(quantity)) is not None:
            values |= schema.with_ends(quantity, interval)
    return values


def _of_rounds(own: Series, parts: Sequence[Part]) -> dict[str, Any]:
    return {
        "rank_spread": float(np.median(own["slowest_ns"] / own["fastest_ns"] - 1)),
        "sessions": len(parts),
        "builds": sum(len(np.unique(part.own["build"])) for part in parts),
        "rounds": len(own["round"]),
        "steps": int(own["steps"].sum()),
    }


def _of_host(own: Series, session: Session) -> dict[str, Any]:
    return {
        "device_kind": session.device_kind,
        "device_name": session.device_name,
        "host_cpu_share": median(own["cpu_share"]),
        "main_thread_share": median(own["main_share"]),
        "waits_s": median(own["waits_s"]),
        "preemptions_s": median(own["preemptions_s"]),
        "threads": session.threads,
        "cores": session.cores,
        "gil": schema.yes_no(session.gil),
    }


def _of_preparation(prepared: list[Prepared]) -> dict[str, Any]:
    """prepared: what each rank said of each build when the mode was prepared."""
    launches = (p.launches for p in prepared if p.launches is not None)
    return {
        "launches": max(launches, default=None),
        "replay_us": _largest(p.replay_ns for p in prepared) / 1e3,
        "prepare_s": max((p.prepare_s for p in prepared), default=nan),
        "first_call_s": max((p.first_call_s for p in prepared), default=nan),
        "process_peak_mib": _largest(p.process_peak_mib for p in prepared),
        "tensor_peak_mib": _largest(p.tensor_peak_mib for p in prepared),
    }


def _of_serialisation(saved: Serialisation) -> dict[str, Any]:
    return {
        "saved_as": f"not saved: {saved.error}" if saved.error else saved.format,
        "saved_kib": None if saved.bytes is None else saved.bytes / 1024,
        "save_s": saved.save_s,
        "load_s": saved.load_s,
    }


def _largest(values: Iterable[float | None]) -> float:
    """NaN where no rank said it."""
    return max((value for value in values if value is not None), default=nan)


def _others(samplings: list[Sampling], ranks: list[Rank], series: Mapping[str, Series]) -> float:
    """The share of the cores that other programs used while the blocks of a cell ran; NaN where it is not known."""
    if not series:
        return float("nan")
    starts, ends = (
        np.concatenate([np.asarray(own[name], np.int64) for own in series.values()])
        for name in ("start_ns", "end_ns")
    )
    return share_beside(samplings, ranks, starts, ends)


def _add_load(row: Row, shares: Sequence[float]) -> None:
    """shares: of each session, which are all about as long."""
    known = [share for share in shares if share == share]
    row.values["others_share"] = share = float(np.mean(known)) if known else float("nan")
    if share >= LOADED_SHARE:
        row.warnings.append(warnings.LOADED)


def _add_placement(row: Row, placements: Iterable[Placement | None]) -> None:
    """Warn where threads that issue had to share a core in some session."""
    shared = any(placement and placement.overlaps for placement in placements)
    if shared and warnings.OVERSUBSCRIBED not in row.warnings:
        row.warnings.append(warnings.OVERSUBSCRIBED)


def _add_samples(
    row: Row, planned: Planned, join: Join, collected: Collected, key: str, parts: Sequence[Part]
) -> None:
    held = [
        (part.session, windows) for part in parts if (windows := collected.windows.get((part.session, key)))
    ]
    # One session holds each point; of several the first counts: their energies would add up.
    row.steady = steady = join.steady(held[0][1]) if held else None
    if steady:
        row.values |= {
            "util_mean_pct": steady.util_pct,
            "sm_active_pct": steady.sm_active_pct,
            "power_mean_w": steady.power_w,
            "energy_mj_per_sample": steady.joules_a_step / planned.samples_a_step * 1e3,
        }
        if steady.throttled:
            row.warnings.append(warnings.THROTTLED)
    if any(_shared(join, part, collected.ranks[part.session], dict(held)) for part in parts):
        row.warnings.append(warnings.SHARED)


def _shared(join: Join, part: Part, ranks: list[Rank], held: Mapping[str, list[Window]]) -> bool:
    times = [int(part.own["start_ns"].min()), int(part.own["end_ns"].max())]
    times += [at for window in held.get(part.session, []) for at in (window.start_ns, window.end_ns)]
    return join.shared(ranks, min(times), max(times))
