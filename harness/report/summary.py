"""What page, markdown and terminal all tell beside figures and findings.

In: runs and their tidy table. Out: counts, warnings with advice, flattened settings. Must not know any format.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from harness.analysis.run import Run
from harness.core import axes
from harness.core.schema import OK, STATUSES
from harness.core.warnings import REMEDIES, WARNINGS, names
from harness.report.table.formats import significant, times
from harness.report.table.slices import autograd_words
from harness.report.table.tidy import labels, tidy

ONE_CELL_SWEEP = "hybridize"
CALLS = 1000
# Over warnings of another version.
UNKNOWN = "Ask the version that measured"


@dataclass(frozen=True)
class Warned:
    """A warning that occurred, on how many points, and what to do about it, at length and as a heading."""

    name: str
    points: int
    advice: str
    remedy: str = ""


def statuses(table: pd.DataFrame) -> list[tuple[str, int]]:
    """Every status that occurred, ok first, with its count."""
    counts = table["status"].value_counts()
    names = [*STATUSES, *sorted(set(counts.index) - set(STATUSES))]
    return [(name or "(none)", int(counts[name])) for name in names if name in counts.index]


def warned(table: pd.DataFrame) -> list[Warned]:
    counts: dict[str, int] = {}
    for text in table["warnings"]:
        for name in names(text):
            counts[name] = counts.get(name, 0) + 1
    ordered = [*(name for name in WARNINGS if name in counts), *sorted(set(counts) - set(WARNINGS))]
    return [Warned(name, counts[name], _advice(name), _remedy(name)) for name in ordered]


def by_remedy(found: Sequence[Warned]) -> list[tuple[str, list[Warned]]]:
    """What there is to do, each with the warnings that ask for it."""
    groups = [(remedy, [each for each in found if each.remedy == remedy]) for remedy in (*REMEDIES, UNKNOWN)]
    return [(remedy, own) for remedy, own in groups if own]


def _remedy(warning: str) -> str:
    return WARNINGS[warning].remedy if warning in WARNINGS else UNKNOWN


def _advice(warning: str) -> str:
    """Another version may have written a warning that this one does not know."""
    return WARNINGS[warning].advice if warning in WARNINGS else "no advice is known"


def flattened(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """(`host.cpu.model`, `EPYC`) of nested mappings and lists, in their order; empty ones as `(none)`."""
    if isinstance(value, dict) and value:
        for name, inner in value.items():
            yield from flattened(inner, f"{path}.{name}" if path else str(name))
    elif isinstance(value, (list, tuple)) and any(isinstance(inner, (dict, list, tuple)) for inner in value):
        for number, inner in enumerate(value):
            yield from flattened(inner, f"{path}[{number}]")
    elif isinstance(value, (list, tuple)) and value:
        yield path, ", ".join(str(inner) for inner in value)
    else:
        empty = value is None or value == "" or value == [] or value == {} or value == ()
        yield path, "(none)" if empty else str(value)


def config_text(config: dict[str, Any]) -> str:
    return json.dumps(config, indent=2, ensure_ascii=False, default=str)


def notes(runs: Sequence[Run]) -> list[str]:
    """The runs' notes, labelled where there are several, and how to read `batch` under strong scaling."""
    lines = []
    for run, label in zip(runs, labels(runs), strict=True):
        start = f"{label}: " if len(runs) > 1 else ""
        lines += [f"{start}{note}" for note in run.notes]
        if is_strong(run):
            lines.append(
                f"{start}strong scaling: batch counts the samples of all devices together, and each device "
                "gets its part of them."
            )
    return lines


def alarms(runs: Sequence[Run]) -> list[str]:
    """What must be read before the findings, labelled where there are several runs."""
    return [
        f"{label}: {run.alarm}" if len(runs) > 1 else run.alarm
        for run, label in zip(runs, labels(runs), strict=True)
        if run.alarm
    ]


def is_strong(run: Run) -> bool:
    return str(run.config.get("scaling", "weak")) == "strong"


def devices_present(run: Run) -> int:
    """Devices of the run's node; 0 where that was not recorded."""
    count = run.environment.get("devices_present")
    return count if type(count) is int and count > 0 else 0


def thousand_calls(runs: Sequence[Run]) -> list[dict[str, str]]:
    """Seconds for 1,000 calls of every mode, for sweeps of a single cell and for `hybridize`; else empty."""
    lines = []
    for run, label in zip(runs, labels(runs), strict=True):
        one_cell = len(run.points[[*axes.CELL]].drop_duplicates()) == 1
        if not (one_cell or run.config.get("name") == ONE_CELL_SWEEP):
            continue
        table = tidy(run.points)
        one_place = len(table[[axis for axis in axes.CELL if axis != axes.AUTOGRAD]].drop_duplicates()) == 1
        one_environment = table[axes.ENVIRONMENT].nunique() <= 1
        for row in table.to_dict("records"):
            where = {"run": label} if len(runs) > 1 else {}
            where |= {} if one_place else {"point": _place(row)}
            where |= {} if one_environment else {"environment": row[axes.ENVIRONMENT]}
            where |= {} if one_cell else {"autograd": autograd_words(row).removeprefix("autograd ")}
            lines.append({**where, **_calls(row)})
    return lines


def _place(row: dict[Any, Any]) -> str:
    return f"{row['model']}, batch {row['batch']}, {row['devices']} dev., {row['workload']}"


def _calls(row: dict[Any, Any]) -> dict[str, str]:
    names = ("step_us", "step_us_low", "step_us_high")
    seconds, low, high = (significant(row[name] * CALLS / 1e6) for name in names)
    speed = (row["speedup_vs_eager"], row["speedup_low"], row["speedup_high"])
    return {
        "mode": row["mode"],
        "seconds for 1,000 calls": seconds if row["status"] == OK else row["status"],
        "95 % interval": f"[{low}, {high}]" if low and high else "",
        "times as fast as eager": times(*speed) if speed[0] == speed[0] else "",
    }
