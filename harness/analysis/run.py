"""Raw records to a table of points.

In: a run directory. Out: a Run with its points as a pandas DataFrame (columns of schema.COLUMNS).
Must not know torch, nor how anything was launched.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from harness.analysis.sampled.join import Held, Join, Rank, Window
from harness.analysis.sampled.notes import Sampled, notes_on_sampling
from harness.analysis.sampled.over_time import Timeline, make_timeline
from harness.analysis.sampled.samples import Samplings, read_samples
from harness.core import schema
from harness.core.controllers import CONTROLLERS
from harness.core.errors import ConfigError
from harness.core.files import beneath
from harness.core.files.plain import read_json
from harness.core.stats import median_interval
from harness.plan.points import REFERENCE_MODE
from harness.records.directory import CONFIG_FILE, ENVIRONMENT_FILE, read_config
from harness.records.raw import LAUNCHER_FILE, MAYBE, RAW, RawData, is_number, read_raw, told
from harness.timing.blocks import CAPPED, NOISY, UNFINISHED

# A rank whose main thread had a core for less than this share of its timed blocks, on a CPU, where the
# thread does all the work and never waits for a device, was waiting for a core.
MAIN_THREAD_SHARE = 0.9

# Where one half of a burst takes so many times as long as the other, its steps waited for room in the launch
# queue: in the second half if the queue was full by then, in the first if it was full and empty again.
BACK_PRESSURE = 1.5

# How far device_us may be from the replay of a CUDA graph of the same step.
REPLAY_AGREES = 0.05

# How far NVML's utilisation may be from the share of a step in which the device works, in percentage points.
UTILISATION_AGREES = 10.0


@dataclass(frozen=True)
class Run:
    """One run directory, analysed.

    points: one row per point, columns as schema.COLUMNS, dtypes: Int64 for INTEGER_COLUMNS, str for
        TEXT_COLUMNS ("" where empty), float64 for the rest (NaN where empty).
    notes: sentences about the run as a whole that a reader must know (skipped lines, missing points).
    timeline: what was sampled beside the run, over time; empty where nothing was.
    """

    label: str
    directory: Path
    config: dict[str, Any]
    environment: dict[str, Any]
    points: pd.DataFrame
    notes: tuple[str, ...] = field(default=())
    timeline: Timeline = field(default_factory=Timeline)


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
    """Analyse a run directory. Everything in the points comes from raw/ and monitor/ alone.

    Raises ConfigError if it is no run directory. Lines that cannot be read are skipped and counted.
    """
    config = read_config(directory, "RUN") if beneath.exists(directory, CONFIG_FILE) else {}
    if not (directory / RAW).is_dir() or (directory / RAW).is_symlink():
        raise ConfigError("RUN", directory, "a run directory made by `harness sweep` (with a folder raw/)")
    collecting = gc.isenabled()
    gc.disable()  # a million small objects that all stay: looking for garbage among them finds none
    try:
        raw, samplings = read_raw(directory), read_samples(directory)
        collected = _collect(raw)
        points, missing, sampled = _points(raw, collected, samplings)
    finally:
        if collecting:
            gc.enable()
    notes = []
    if raw.skipped:
        notes.append(f"{raw.skipped.total()} raw lines were skipped ({told(raw.skipped)}).")
    if raw.unread:
        notes.append(f"Not read: {'; '.join(raw.unread)}.")
    if missing:
        notes.append(
            f"{missing} of {missing + len(points)} points are not measured yet: "
            f"`harness sweep resume={directory}` measures them."
        )
    notes += notes_on_sampling(samplings, collected.ranks, sampled)
    return Run(
        label=_label(directory, config),
        directory=directory,
        config=config,
        environment=read_json(directory / ENVIRONMENT_FILE) or {},
        points=points,
        notes=tuple(notes),
        timeline=make_timeline(samplings.found, raw),
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
    return SessionProgress(begun, ended, _last_word(drops))


def _last_word(drops: list[dict[str, Any]]) -> dict[str, tuple[str, str]]:
    """Point key -> (status, reason) of the last try at it.

    Within a try the first rank's word counts, since the others may have failed because of it.
    """
    found: dict[str, tuple[str, str]] = {}
    for drop in sorted(drops, key=lambda d: (-_try_number(d.get("session")), d["at_ns"])):
        reason = f"rank {drop['rank']}: {drop['error']}" if "rank" in drop else drop["error"]
        found.setdefault(drop["key"], (drop["status"], reason))
    return found


def _try_number(session: Any) -> int:
    """Sessions of one kind are numbered as they are tried; 0 for what was known before any."""
    number = str(session or "").rpartition("-try")[2]
    return int(number) if number.isdigit() and len(number) < 10 else 0


def _label(directory: Path, config: dict[str, Any]) -> str:
    name, folder = str(config.get("name", "")), directory.resolve().name
    return f"{name}/{folder}" if name and name != folder else folder


def _points(
    raw: RawData, collected: _Collected, samplings: Samplings
) -> tuple[pd.DataFrame, int, list[Sampled]]:
    """The table, in the order of the plan; how many planned points have no row yet; how points were sampled."""
    launcher = raw.files.get(LAUNCHER_FILE, [])
    planned = {r["key"]: r for r in launcher if r["type"] == "point" and _axes_complete(r["axes"])}
    starts = [r for r in launcher if r["type"] == "start"]
    rows = _measured_rows(collected, planned, int(starts[-1]["cores"]) if starts else None, samplings)
    # The launcher's words in reverse: of two on the same try, the later one counts.
    outcomes = [{**r, "at_ns": -at} for at, r in enumerate(launcher) if r["type"] == "outcome"]
    for key, (status, error) in _last_word([*outcomes, *collected.drops]).items():
        rows.setdefault(key, {"status": status, "error": error})
    device = {name: starts[-1][name] for name in ("device_kind", "device_name")} if starts else {}
    table = [
        {**device, **_axes(record), **rows[key], "key": key, "needs_python": record["needs_python"]}
        for key, record in planned.items()
        if key in rows and rows[key]["status"] in schema.STATUSES
    ]
    frame = _typed(pd.DataFrame(table, columns=[*schema.COLUMNS, *_BESIDE]))
    _add_relations(frame)
    sampled = [
        Sampled(row.get("held"), planned[key]["axes"], row["threads"])
        for key, row in rows.items()
        if row["status"] == schema.OK
    ]
    return frame[list(schema.COLUMNS)], len(planned) - len(frame), sampled


# What a planned point says of itself beside the columns of the table.
_BESIDE = ("scaling", "needs_python")
_AXES_OF_A_RECORD = (*schema.AXES, "nodes", "scaling")


def _axes(record: dict[str, Any]) -> dict[str, Any]:
    """The axes alone: whatever else stands there must not get into the table."""
    return {name: record["axes"][name] for name in _AXES_OF_A_RECORD}


def _axes_complete(axes: dict[str, Any]) -> bool:
    return all(
        type(axes.get(name)) is int and axes[name] > 0 and is_number(axes[name])
        if name in schema.INTEGER_COLUMNS
        else isinstance(axes.get(name), str)
        for name in _AXES_OF_A_RECORD
    )


@dataclass
class _Collected:
    """What the ranks wrote: complete measurements, the blocks of all sessions as one table, dropped points of ended
    cells, ranks by session, and windows by session and point."""

    measured: list[_Measured]
    blocks: pd.DataFrame
    drops: list[dict[str, Any]]
    ranks: dict[str, list[Rank]]
    windows: dict[tuple[str, str], list[Window]]


def _collect(raw: RawData) -> _Collected:
    measured: dict[tuple[str, str], _Measured] = {}
    rows: list[tuple[Any, ...]] = []
    prepared: list[tuple[str, dict[str, Any]]] = []
    drops: list[dict[str, Any]] = []
    ranks: dict[str, list[Rank]] = {}
    windows: dict[tuple[str, str], list[Window]] = {}
    for records in raw.files.values():
        session = next((r for r in records if r["type"] == "session"), None)
        if session is None:
            continue
        name, rank = session["session"], session["rank"]
        of = Rank.of(session)
        ranks.setdefault(name, []).append(of)
        for record in records:
            kind = record["type"]
            if kind == "round":
                rows += [_block_row(session, record, block) for block in record["blocks"]]
            elif kind == "prepared":
                prepared.append((name, record))
            elif kind == "end":
                measured[name, record["cell"]] = _Measured(session, record["stop"], record["keys"])
            elif kind == "dropped":
                drops.append({**record, "rank": rank, "session": name})
            elif kind == "window":
                window = Window(of, record["start_ns"], record["end_ns"], record["steps"])
                windows.setdefault((name, record["key"]), []).append(window)
    for name, record in prepared:
        if (name, record["cell"]) in measured:
            measured[name, record["cell"]].prepared.setdefault(record["key"], []).append(record)
    ended_drops = [d for d in drops if (d["session"], d["cell"]) in measured]
    for drop in ended_drops:
        # Failed at a later visit, where its session broke before another `end` line could leave it out.
        cell = measured[drop["session"], drop["cell"]]
        cell.keys = [key for key in cell.keys if key != drop["key"]]
    # By columns: pandas takes long to find out the types of rows.
    columns = zip(*rows, strict=True) if rows else ((),) * len(_BLOCK_COLUMNS)
    table = pd.DataFrame(dict(zip(_BLOCK_COLUMNS, map(list, columns), strict=True)))
    return _Collected(list(measured.values()), table, ended_drops, ranks, windows)


_BLOCK_COLUMNS = (
    *("session", "rank", "ranks", "cell", "round", "key", "steps", "start_ns", "end_ns"),
    *MAYBE,
)


def _block_row(session: dict[str, Any], record: dict[str, Any], block: dict[str, Any]) -> tuple[Any, ...]:
    """One block as a row of _BLOCK_COLUMNS. Times are put on the clock of rank 0, whose node may be another one."""
    offset = _count(session.get("clock_offset_ns")) or 0
    return (
        *(session["session"], session["rank"], session["ranks"], record["cell"], record["round"]),
        *(block["key"], block["steps"], block["start_ns"] + offset, block["end_ns"] + offset),
        *map(block.get, MAYBE),
    )


def _measured_rows(
    collected: _Collected, planned: dict[str, dict[str, Any]], cores: int | None, samplings: Samplings
) -> dict[str, dict[str, Any]]:
    """Point key -> what was found there, from complete measurements; the first one of a point counts."""
    if collected.blocks.empty:
        return {}
    rounds = _rounds(collected.blocks)
    columns = {str(name): rounds[name].to_numpy() for name in rounds.columns}
    places = rounds.groupby(["session", "key"], sort=False).indices
    join = Join(samplings.found, [rank for ranks in collected.ranks.values() for rank in ranks])
    rows: dict[str, dict[str, Any]] = {}
    for cell in collected.measured:
        name = cell.session["session"]
        series = {
            key: {column: values[places[name, key]] for column, values in columns.items()}
            for key in cell.keys
            if key in planned and (name, key) in places
        }
        reference = next((s for k, s in series.items() if planned[k]["axes"]["mode"] == REFERENCE_MODE), None)
        for key, own in series.items():
            if key in rows:
                continue
            rows[key] = row = _row(cell, own, reference, cell.prepared.get(key, []), planned[key], cores)
            windows = collected.windows.get((name, key), [])
            held = join.held(windows)
            if held:
                row["held"] = held
                row |= _sampled_columns(held, planned[key]["axes"])
                if held.throttled:
                    _warn(row, "throttled")
            span = [int(own["start_ns"].min()), int(own["end_ns"].max())]
            span += [at for window in windows for at in (window.start_ns, window.end_ns)]
            if join.shared(collected.ranks[name], min(span), max(span)):
                _warn(row, "shared")
    return rows


def _sampled_columns(held: Held, axes: dict[str, Any]) -> dict[str, float]:
    return {
        "util_mean_pct": held.util_pct,
        "sm_active_pct": held.sm_active_pct,
        "power_mean_w": held.power_w,
        "energy_mj_per_sample": held.joules_a_step / _samples_a_step(axes) * 1e3,
    }


def _samples_a_step(axes: dict[str, Any]) -> int:
    """Of all devices together."""
    return int(axes["batch"] * (axes["devices"] if axes["scaling"] == "weak" else 1))


def _warn(row: dict[str, Any], warning: str) -> None:
    row["warnings"] = f"{row['warnings']};{warning}" if row["warnings"] else warning


# Columns of _rounds for one point of one session: name -> one value per round.
_Series = dict[str, "np.ndarray[Any, Any]"]


def _rounds(blocks: pd.DataFrame) -> pd.DataFrame:
    """One row per session, point and round, over ranks. A round that some rank lacks is left out."""
    wall = (blocks["end_ns"] - blocks["start_ns"]).astype("float64")
    maybe = {name: pd.to_numeric(blocks[name], errors="coerce").astype("float64") for name in MAYBE}
    table = blocks.assign(
        step_ns=wall / blocks["steps"],
        fastest_step_ns=maybe["fastest_ns"].fillna(wall) / blocks["steps"],
        cpu_share=maybe["cpu_ns"] / wall,
        main_share=maybe["main_ns"] / wall,
        waits_s=maybe["waits"] / wall * 1e9,
        preemptions_s=maybe["preemptions"] / wall * 1e9,
        **{name: maybe[name] for name in ("issue_ns", "device_ns", "growth")},
    )
    rounds = (
        table.groupby(["session", "key", "round"], sort=False)
        .agg(
            slowest_ns=("step_ns", "max"),
            fastest_ns=("fastest_step_ns", "min"),
            start_ns=("start_ns", "min"),
            end_ns=("end_ns", "max"),
            steps=("steps", "max"),
            ranks=("ranks", "max"),
            present=("rank", "nunique"),
            cpu_share=("cpu_share", "mean"),
            main_share=("main_share", "min"),
            waits_s=("waits_s", "max"),
            preemptions_s=("preemptions_s", "max"),
            issue_ns=("issue_ns", "max"),
            # A full queue makes every rank wait; a rank that did so alone was waiting for a core.
            growth=("growth", "median"),
            device_max_ns=("device_ns", "max"),
            device_min_ns=("device_ns", "min"),
        )
        .reset_index()
    )
    return rounds[rounds["present"] == rounds["ranks"]]


def _row(
    cell: _Measured,
    own: _Series,
    reference: _Series | None,
    prepared: list[dict[str, Any]],
    planned: dict[str, Any],
    cores: int | None,
) -> dict[str, Any]:
    session, axes = cell.session, planned["axes"]
    step = median_interval(own["slowest_ns"].tolist())
    samples = _samples_a_step(axes)
    seconds = (own["end_ns"] - own["start_ns"]) / 1e9
    row: dict[str, Any] = {
        "status": schema.OK,
        "device_kind": session["device_kind"],
        "device_name": session["device_name"],
        "step_us": step.median / 1e3,
        "step_us_low": step.low / 1e3,
        "step_us_high": step.high / 1e3,
        "issue_us": _median(own["issue_ns"]) / 1e3,
        # The slowest device's; where ranks wait for each other within a step, that of the one that came
        # last and so waited least: the others' time contains waiting for it.
        "device_us": _median(own["device_min_ns" if axes["workload"] == "train" else "device_max_ns"]) / 1e3,
        "throughput_samples_s": float(np.median(samples * own["steps"] / seconds)),
        "host_cpu_share": _median(own["cpu_share"]),
        "main_thread_share": _median(own["main_share"]),
        "waits_s": _median(own["waits_s"]),
        "preemptions_s": _median(own["preemptions_s"]),
        "threads": _count(session.get("threads")),
        "cores": _count(session.get("cores")),
        "gil": "yes" if session.get("gil") is True else "no" if session.get("gil") is False else "",
        "launches": max((n for p in prepared if (n := _count(p.get("launches"))) is not None), default=None),
        "replay_us": _largest(prepared, "replay_ns") / 1e3,
        "rank_spread": float(np.median(own["slowest_ns"] / own["fastest_ns"] - 1)),
        "rounds": len(own["round"]),
        "steps": int(own["steps"].sum()),
        "prepare_s": max((p["prepare_s"] for p in prepared), default=np.nan),
        "first_call_s": max((p["first_call_s"] for p in prepared), default=np.nan),
        "memory_peak_mib": _largest(prepared, "memory_peak_mib"),
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
    row["warnings"] = ";".join(_warnings(cell, own, prepared, planned, cores, width))
    return row


def _count(value: object) -> int | None:
    return value if type(value) is int and is_number(value) else None


def _largest(prepared: list[dict[str, Any]], name: str) -> float:
    """Of what the ranks said when the mode was prepared; NaN where none did."""
    return max((float(p[name]) for p in prepared if is_number(p.get(name))), default=float("nan"))


def _median(values: np.ndarray[Any, Any]) -> float:
    """Median of those that are there; NaN when none is."""
    there = values[~np.isnan(values)]
    return float(np.median(there)) if len(there) else float("nan")


def _warnings(
    cell: _Measured,
    own: _Series,
    prepared: list[dict[str, Any]],
    planned: dict[str, Any],
    cores: int | None,
    width: float,
) -> Iterator[str]:
    """The cell's stop reason marks those of its modes whose own interval is still wider than asked for."""
    axes, needs_python = planned["axes"], planned["needs_python"]
    target, threads = (cell.session.get(name) for name in ("rel_width", "threads"))
    if cell.stop in (NOISY, CAPPED, UNFINISHED) and not (is_number(target) and width <= float(target or 0)):
        # An unfinished cell's session was ended before its last visit: a limit of time as well.
        yield CAPPED if cell.stop == UNFINISHED else cell.stop
    # A plugin may have named it in another version: no thread more than there are devices, then.
    controller = CONTROLLERS.get(axes["controller"])
    issuing = controller.issuing_threads(axes["devices"]) if controller else axes["devices"]
    # Where threads run Python on one interpreter, waiting for its lock is no sign of too few cores.
    waited = (
        cell.session["device_kind"] == "cpu"
        and axes["workload"] == "forward"
        and not (needs_python and controller and controller.thread_per_device)
        and _median(own["main_share"]) < MAIN_THREAD_SHARE
    )
    if waited or (cores is not None and issuing * (_count(threads) or 1) > cores * axes["nodes"]):
        yield "oversubscribed"
    growth = _median(own["growth"])
    if growth > BACK_PRESSURE or growth < 1 / BACK_PRESSURE:  # neither where it is not known
        yield "back_pressure"
    if any(_differs(p.get("held_ns"), p.get("replay_ns")) for p in prepared):
        yield "replay_differs"
    if cell.session["device_kind"] == "emulated":
        yield "emulated"


def _differs(held: Any, replay: Any) -> bool:
    """Whether two ways to the same device time disagree."""
    if not (is_number(held) and is_number(replay)):
        return False
    return abs(float(held) - float(replay)) > REPLAY_AGREES * float(replay)  # type: ignore[arg-type]


def _typed(frame: pd.DataFrame) -> pd.DataFrame:
    for column in frame.columns:
        if column in schema.INTEGER_COLUMNS:
            frame[column] = pd.array(frame[column], dtype="Int64")
        elif column == "needs_python":
            frame[column] = frame[column].astype(bool)
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
    alone = frame[frame["devices"] == 1]
    places = zip(alone[others].itertuples(index=False, name=None), alone["throughput_samples_s"], strict=True)
    single = dict(places)
    base = pd.Series([single.get(row, np.nan) for row in frame[others].itertuples(index=False, name=None)])
    frame["scaling_efficiency"] = frame["throughput_samples_s"] / (
        frame["devices"].astype("float64") * base.to_numpy(dtype="float64")
    )
    # On CPU the core is host and device in one; what is left without Python is the fastest mode that
    # leaves Python out. On other devices the share comes from device_us.
    cell = [a for a in schema.AXES if a != "mode"]
    on_cpu = frame["device_kind"] == "cpu"
    floor = (
        frame["step_us"]
        .where(~frame["needs_python"] & on_cpu)
        .groupby([frame[a] for a in cell])
        .transform("min")
    )
    frame["dispatch_share"] = (1 - floor / frame["step_us"]).where(
        # A device that is never kept waiting takes as long as the step but for noise, which is no share.
        on_cpu,
        (1 - frame["device_us"] / frame["step_us"]).clip(lower=0),
    )
    frame["feedable_devices"] = frame["device_us"] / frame["issue_us"]
    busy = 100 * (1 - frame["dispatch_share"])
    apart = (frame["util_mean_pct"] - busy).abs() > UTILISATION_AGREES
    frame.loc[apart, "warnings"] += ";utilisation_differs"
    frame["warnings"] = frame["warnings"].str.lstrip(";")
