"""Raw records to a table of points.

In: a run directory. Out: a Run with its points as a pandas DataFrame (columns of schema.COLUMNS).
Must not know torch, nor how anything was launched.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from harness import schema
from harness.errors import ConfigError
from harness.modes import get_mode, mode_names
from harness.plan import REFERENCE_MODE
from harness.records import LAUNCHER_FILE, RawData, read_raw
from harness.rundir import CONFIG_FILE, ENVIRONMENT_FILE, read_config, read_json
from harness.stats import median_interval
from harness.timing import CAPPED, NOISY

# A rank whose main thread had a core for less than this share of its timed blocks, on a CPU, where the
# thread does all the work and never waits for a device, was waiting for a core.
MAIN_THREAD_SHARE = 0.9

_SKIPPED = {
    "torn": "cut off or not JSON",
    "binary": "binary",
    "foreign": "not records of this harness",
}


@dataclass(frozen=True)
class Run:
    """One run directory, analysed.

    points: one row per point, columns as schema.COLUMNS, dtypes: Int64 for INTEGER_COLUMNS, str for
        TEXT_COLUMNS ("" where empty), float64 for the rest (NaN where empty).
    notes: sentences about the run as a whole that a reader must know (skipped lines, missing points).
    """

    label: str
    directory: Path
    config: dict[str, Any]
    environment: dict[str, Any]
    points: pd.DataFrame
    notes: tuple[str, ...] = field(default=())


@dataclass(frozen=True)
class SessionProgress:
    """How far a session came. begun, ended: cell ids; dropped: point key -> (status, reason)."""

    begun: set[str]
    ended: set[str]
    dropped: dict[str, tuple[str, str]]


@dataclass
class _Measured:
    """One complete measurement of a cell: what rank 0's `end` line closed."""

    session: dict[str, Any]
    stop: str
    keys: list[str]
    prepared: dict[str, list[dict[str, Any]]] = field(default_factory=dict)


def load_run(directory: Path) -> Run:
    """Analyse a run directory. Everything in the points comes from raw/ alone.

    Raises ConfigError if it is no run directory. Lines that cannot be read are skipped and counted.
    """
    config = read_config(directory, "RUN") if (directory / CONFIG_FILE).exists() else {}
    if not (directory / "raw").is_dir():
        raise ConfigError("RUN", directory, "a run directory made by `harness sweep` (with a folder raw/)")
    raw = read_raw(directory)
    points, missing = _points(raw)
    notes = []
    if raw.skipped:
        what = ", ".join(f"{count} {_SKIPPED[kind]}" for kind, count in sorted(raw.skipped.items()))
        notes.append(f"{raw.skipped.total()} raw lines were skipped ({what}).")
    if missing:
        notes.append(
            f"{missing} of {missing + len(points)} points are not measured yet: "
            f"`harness sweep resume={directory}` measures them."
        )
    return Run(
        label=_label(directory, config),
        directory=directory,
        config=config,
        environment=read_json(directory / ENVIRONMENT_FILE) or {},
        points=points,
        notes=tuple(notes),
    )


def planned_points(directory: Path) -> set[str]:
    """Keys of the points that the launcher has written down already."""
    return {r["key"] for r in read_raw(directory).files.get(LAUNCHER_FILE, []) if r["type"] == "point"}


def session_progress(directory: Path, session_id: str) -> SessionProgress:
    """How far the ranks of one session came."""
    begun: set[str] = set()
    ended: set[str] = set()
    drops: list[dict[str, Any]] = []
    for name, records in read_raw(directory, prefix=f"{session_id}-rank").files.items():
        rank = name.rpartition("-rank")[2].removesuffix(".jsonl")
        for record in records:
            if record["type"] == "cell":
                begun.add(record["cell"])
            elif record["type"] == "end":
                ended.add(record["cell"])
            elif record["type"] == "dropped":
                drops.append({**record, "rank": rank})
    return SessionProgress(begun, ended, _first_drops(drops))


def _first_drops(drops: list[dict[str, Any]]) -> dict[str, tuple[str, str]]:
    """Why each point was dropped: the first rank's word, since the others may have failed because of it."""
    found: dict[str, tuple[str, str]] = {}
    for drop in sorted(drops, key=lambda d: d["at_ns"]):
        found.setdefault(drop["key"], (drop["status"], f"rank {drop['rank']}: {drop['error']}"))
    return found


def _label(directory: Path, config: dict[str, Any]) -> str:
    name, folder = str(config.get("name", "")), directory.resolve().name
    return f"{name}/{folder}" if name and name != folder else folder


def _points(raw: RawData) -> tuple[pd.DataFrame, int]:
    """The table, in the order of the plan, and how many planned points have no row yet."""
    launcher = raw.files.get(LAUNCHER_FILE, [])
    planned = {r["key"]: r for r in launcher if r["type"] == "point" and _axes_complete(r["axes"])}
    starts = [r for r in launcher if r["type"] == "start"]
    measured, blocks, drops = _collect(raw)
    rows = _measured_rows(measured, blocks, planned, int(starts[-1]["cores"]) if starts else None)
    outcomes = {r["key"]: (r["status"], r["error"]) for r in launcher if r["type"] == "outcome"}
    for key, (status, error) in {**outcomes, **drops}.items():
        rows.setdefault(key, {"status": status, "error": error})
    device = {name: starts[-1][name] for name in ("device_kind", "device_name")} if starts else {}
    table = [
        {**device, **record["axes"], **rows[key], "key": key}
        for key, record in planned.items()
        if key in rows and rows[key]["status"] in schema.STATUSES
    ]
    frame = _typed(pd.DataFrame(table, columns=[*schema.COLUMNS, "scaling"]))
    _add_relations(frame)
    return frame[list(schema.COLUMNS)], len(planned) - len(frame)


def _axes_complete(axes: dict[str, Any]) -> bool:
    return all(
        type(axes.get(name)) is (int if name in schema.INTEGER_COLUMNS else str)
        for name in (*schema.AXES, "nodes", "scaling")
    )


def _collect(
    raw: RawData,
) -> tuple[list[_Measured], pd.DataFrame, dict[str, tuple[str, str]]]:
    """Complete measurements, the blocks of all sessions as one table, and dropped points of ended cells."""
    measured: dict[tuple[str, str], _Measured] = {}
    columns: dict[str, list[Any]] = {name: [] for name in _BLOCK_COLUMNS}
    prepared: list[tuple[str, dict[str, Any]]] = []
    drops: list[dict[str, Any]] = []
    for records in raw.files.values():
        session = next((r for r in records if r["type"] == "session"), None)
        if session is None:
            continue
        name, rank = session["session"], session["rank"]
        for record in records:
            kind = record["type"]
            if kind == "round":
                for block in record["blocks"]:
                    _append(columns, name, record, rank, block)
            elif kind == "prepared":
                prepared.append((name, record))
            elif kind == "end":
                measured[name, record["cell"]] = _Measured(session, record["stop"], record["keys"])
            elif kind == "dropped":
                drops.append({**record, "rank": rank, "session": name})
    for name, record in prepared:
        if (name, record["cell"]) in measured:
            measured[name, record["cell"]].prepared.setdefault(record["key"], []).append(record)
    ended_drops = [d for d in drops if (d["session"], d["cell"]) in measured]
    return list(measured.values()), pd.DataFrame(columns), _first_drops(ended_drops)


_BLOCK_COLUMNS = (
    "session", "cell", "key", "round", "rank", "steps", "start_ns", "end_ns", "cpu_ns", "main_ns", "issue_ns",
)  # fmt: skip


def _append(
    columns: dict[str, list[Any]], session: str, record: dict[str, Any], rank: int, block: dict[str, Any]
) -> None:
    columns["session"].append(session)
    columns["cell"].append(record["cell"])
    columns["round"].append(record["round"])
    columns["rank"].append(rank)
    for name in ("key", "steps", "start_ns", "end_ns", "cpu_ns", "main_ns", "issue_ns"):
        columns[name].append(block.get(name))


def _measured_rows(
    measured: list[_Measured],
    blocks: pd.DataFrame,
    planned: dict[str, dict[str, Any]],
    cores: int | None,
) -> dict[str, dict[str, Any]]:
    """Point key -> what was found there, from complete measurements; the first one of a point counts."""
    if blocks.empty:
        return {}
    rounds = _rounds(blocks)
    columns = {str(name): rounds[name].to_numpy() for name in rounds.columns}
    places = rounds.groupby(["session", "key"], sort=False).indices
    rows: dict[str, dict[str, Any]] = {}
    for cell in measured:
        name = cell.session["session"]
        series = {
            key: {column: values[places[name, key]] for column, values in columns.items()}
            for key in cell.keys
            if key in planned and (name, key) in places
        }
        reference = next((s for k, s in series.items() if planned[k]["axes"]["mode"] == REFERENCE_MODE), None)
        for key, own in series.items():
            if key not in rows:
                rows[key] = _row(
                    cell, own, reference, cell.prepared.get(key, []), planned[key]["axes"], cores
                )
    return rows


# Columns of _rounds for one point of one session: name -> one value per round.
_Series = dict[str, "np.ndarray[Any, Any]"]


def _rounds(blocks: pd.DataFrame) -> pd.DataFrame:
    """One row per session, point and round, over ranks. A round that some rank lacks is left out."""
    wall = (blocks["end_ns"] - blocks["start_ns"]).astype("float64")
    table = blocks.assign(
        step_ns=wall / blocks["steps"],
        cpu_share=pd.to_numeric(blocks["cpu_ns"], errors="coerce") / wall,
        main_share=pd.to_numeric(blocks["main_ns"], errors="coerce") / wall,
        issue_ns=pd.to_numeric(blocks["issue_ns"], errors="coerce"),
    )
    rounds = (
        table.groupby(["session", "key", "round"], sort=False)
        .agg(
            slowest_ns=("step_ns", "max"),
            fastest_ns=("step_ns", "min"),
            start_ns=("start_ns", "min"),
            end_ns=("end_ns", "max"),
            steps=("steps", "max"),
            ranks=("rank", "nunique"),
            cpu_share=("cpu_share", "mean"),
            main_share=("main_share", "min"),
            issue_ns=("issue_ns", "max"),
        )
        .reset_index()
    )
    full = rounds.groupby("session")["ranks"].transform("max")
    return rounds[rounds["ranks"] == full]


def _row(
    cell: _Measured,
    own: _Series,
    reference: _Series | None,
    prepared: list[dict[str, Any]],
    axes: dict[str, Any],
    cores: int | None,
) -> dict[str, Any]:
    session = cell.session
    step = median_interval(own["slowest_ns"].tolist())
    samples = axes["batch"] * (axes["devices"] if axes["scaling"] == "weak" else 1)
    seconds = (own["end_ns"] - own["start_ns"]) / 1e9
    row: dict[str, Any] = {
        "status": schema.OK,
        "device_kind": session["device_kind"],
        "device_name": session["device_name"],
        "step_us": step.median / 1e3,
        "step_us_low": step.low / 1e3,
        "step_us_high": step.high / 1e3,
        "issue_us": float(np.median(own["issue_ns"])) / 1e3,
        "throughput_samples_s": float(np.median(samples * own["steps"] / seconds)),
        "host_cpu_share": float(np.median(own["cpu_share"])),
        "rank_spread": float(np.median(own["slowest_ns"] / own["fastest_ns"] - 1)),
        "rounds": len(own["round"]),
        "steps": int(own["steps"].sum()),
        "prepare_s": max((p["prepare_s"] for p in prepared), default=np.nan),
        "first_call_s": max((p["first_call_s"] for p in prepared), default=np.nan),
        "memory_peak_mib": max((p.get("memory_peak_mib") or np.nan for p in prepared), default=np.nan),
    }
    width = step.relative_half_width
    if reference is not None:
        _, ours, theirs = np.intersect1d(own["round"], reference["round"], return_indices=True)
        ratios = reference["slowest_ns"][theirs] / own["slowest_ns"][ours]
        if len(ratios):
            speedup = median_interval(ratios.tolist())
            row["speedup_vs_eager"] = speedup.median
            row["speedup_low"], row["speedup_high"] = speedup.low, speedup.high
            if axes["mode"] != REFERENCE_MODE:
                width = speedup.relative_half_width
    row["warnings"] = ";".join(_warnings(cell, own, axes, cores, width))
    return row


def _warnings(
    cell: _Measured, own: _Series, axes: dict[str, Any], cores: int | None, width: float
) -> Iterator[str]:
    """The cell's stop reason marks those of its modes whose own interval is still wider than asked for."""
    target = cell.session.get("rel_width")
    if cell.stop in (NOISY, CAPPED) and (target is None or width > target):
        yield cell.stop
    threads = cell.session.get("threads", 1)
    waited = (
        cell.session["device_kind"] == "cpu"
        and axes["workload"] == "forward"
        and float(np.median(own["main_share"])) < MAIN_THREAD_SHARE
    )
    if waited or (cores is not None and axes["devices"] * threads > cores):
        yield "oversubscribed"


def _typed(frame: pd.DataFrame) -> pd.DataFrame:
    for column in frame.columns:
        if column in schema.INTEGER_COLUMNS:
            frame[column] = pd.array(frame[column], dtype="Int64")
        elif column in schema.TEXT_COLUMNS or column == "scaling":
            frame[column] = frame[column].where(frame[column].notna(), "").astype(str)
        else:
            frame[column] = pd.to_numeric(frame[column]).astype("float64")
    return frame


def _add_relations(frame: pd.DataFrame) -> None:
    """Columns that compare points: scaling efficiency with one device, share with the fastest mode."""
    if frame.empty:
        return
    others = [a for a in schema.AXES if a != "devices"] + ["scaling"]
    single = frame[frame["devices"] == 1].set_index(others)["throughput_samples_s"]
    base = pd.Series([single.get(tuple(row), np.nan) for row in frame[others].itertuples(index=False)])
    frame["scaling_efficiency"] = frame["throughput_samples_s"] / (
        frame["devices"].astype("float64") * base.to_numpy(dtype="float64")
    )
    # On CPU the core is host and device in one; what is left without Python is the fastest mode that
    # leaves Python out. On other devices the share comes from device_us.
    without_python = {name for name in mode_names() if not get_mode(name).needs_python}
    cell = [a for a in schema.AXES if a != "mode"]
    on_cpu = frame["device_kind"] == "cpu"
    floor = (
        frame["step_us"]
        .where(frame["mode"].isin(without_python) & on_cpu)
        .groupby([frame[a] for a in cell])
        .transform("min")
    )
    frame["dispatch_share"] = (1 - floor / frame["step_us"]).where(
        on_cpu, 1 - frame["device_us"] / frame["step_us"]
    )
    frame["feedable_devices"] = frame["device_us"] / frame["issue_us"]
