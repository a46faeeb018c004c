"""What an answer holds for: what was measured, and which modes were not.

In: rows of one run, device and workload. Out: sentences. Must not know the answer.
"""

from __future__ import annotations

import pandas as pd

from harness.core.schema import TORCH
from harness.report.table.formats import count, listed
from harness.report.table.slices import autograd_words
from harness.report.table.tidy import MODE_ORDER, mode_rank

# What nobody can ask for on a CPU.
_OF_GPUS = ("cudagraph", "compile_graphs")
_KNOWN_AS = {"compile": "compile (torch.compile)"}
_MOST_NAMED = 8


def scope(rows: pd.DataFrame) -> str:
    """`Measured on AMD EPYC (CPU: a device is a rank of 1 thread): MLP of width 64, forward, ... Not measured: ...`."""
    measured = rows[rows["ok"]]
    if measured.empty:
        return ""
    first = measured.iloc[0]
    modes = sorted(set(measured["mode"]), key=mode_rank)
    parts = [_model(first), first["workload"], first["dtype"], autograd_words(first), *_versions(measured)]
    shown = [str(part) for part in parts if part]
    named = modes if len(modes) <= _MOST_NAMED else [*modes[:_MOST_NAMED], "others"]
    text = f"Measured on {_device(first, measured)}: {', '.join(shown)}; modes {listed(named)}."
    return text + _absent(first, modes)


def _device(first: pd.Series, rows: pd.DataFrame) -> str:
    name = str(first["device_name"] or "an unnamed device")
    if first["device_kind"] != "cpu":
        return f"{name} ({first['device_kind']})"
    threads = sorted({int(each) for each in rows["threads"].dropna()})
    of = f" of {count(threads[0], 'thread')}" if len(threads) == 1 else ""
    issuer = "rank" if first["controller"] == "processes" else "part of the cores"
    return f"{name} (CPU: a device is a {issuer}{of})"


def _model(first: pd.Series) -> str:
    family = str(first["family"])
    return f"MLP of width {first['width']}" if family.startswith("mlp-") and "x*" in family else family


def _versions(rows: pd.DataFrame) -> list[str]:
    pairs = {(str(row[0]), str(row[1])) for row in rows[["framework", "framework_version"]].to_numpy()}
    return sorted(f"{name} {version}".strip() for name, version in pairs if name)


def _absent(first: pd.Series, modes: list[str]) -> str:
    """Modes of the ladder that a reader may ask for."""
    if first["framework"] not in ("", TORCH):
        return ""
    skipped = {*modes, *(_OF_GPUS if first["device_kind"] == "cpu" else ())}
    absent = [_KNOWN_AS.get(mode, mode) for mode in MODE_ORDER if mode not in skipped]
    return f" Not measured: {listed(absent)}." if absent else ""
