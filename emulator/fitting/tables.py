"""Tables of measured kernels.

In: CSV files. Out: columns with numbers, by what was measured. Must not know constants.

Which table it is is told by its columns: matrix products have m, n, k; collectives ranks and bytes; other kernels a
kernel's name and its grid; what a trace tells of launches, key and value_us. Durations are in duration_us.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from emulator.libraries import EmulatorError
from emulator.times.kernels import bytes_of, kind_of

# As libraries, profilers and tables spell number formats.
ARITHMETICS = {
    **dict.fromkeys(("float", "float32", "fp32"), "float32"),
    **dict.fromkeys(("double", "float64", "fp64"), "float64"),
    **dict.fromkeys(("float16", "half", "fp16", "c10::Half"), "float16"),
    **dict.fromkeys(("bfloat16", "bf16", "c10::BFloat16"), "bfloat16"),
    "tf32": "tf32",
}
# Tables cut names off behind so many letters.
NAME = 88
# In names of kernels that run a float32 product on tensor cores.
TF32 = ("1688", "tensorop", "tf32")
# What a trace tells besides durations, by the profile's keys.
TOLD = ("launch_host_us", "launch_latency_us", "queued_gap_us", "graph_gap_us")


@dataclass
class Tables:
    """A row for each measurement. All: us, table, shape (text), and every column of the file.

    products: m, n, k, batch, arithmetic, transposed. kernels: kernel, kind, blocks_x, bytes_. collectives: ranks,
    bytes_, of those within a node. told: key of the profile -> (us, source).
    """

    products: pd.DataFrame = field(default_factory=pd.DataFrame)
    kernels: pd.DataFrame = field(default_factory=pd.DataFrame)
    collectives: pd.DataFrame = field(default_factory=pd.DataFrame)
    told: dict[str, tuple[float, str]] = field(default_factory=dict)

    def parts(self) -> dict[str, pd.DataFrame]:
        found = {"products": self.products, "kernels": self.kernels, "collectives": self.collectives}
        return {name: rows for name, rows in found.items() if len(rows)}

    def of(self, chosen: dict[str, pd.Series]) -> Tables:
        """Only the rows that are marked."""
        return Tables(**{name: rows[chosen[name]] for name, rows in self.parts().items()}, told=self.told)


def read_tables(paths: Sequence[Path]) -> Tables:
    """Raises EmulatorError where a file is no such table."""
    found: dict[str, list[pd.DataFrame]] = {"products": [], "kernels": [], "collectives": []}
    told: dict[str, tuple[float, str]] = {}
    for path in paths:
        try:
            rows = pd.read_csv(path)
        except (OSError, ValueError) as error:
            raise EmulatorError(f"{path}: no table of kernels: {error}") from None
        columns = set(rows.columns)
        if {"key", "value_us"} <= columns:
            told |= _told(rows, path)
            continue
        if "duration_us" not in columns:
            raise EmulatorError(f"{path}: no table of kernels: there is no column duration_us")
        rows = rows[np.isfinite(rows["duration_us"]) & (rows["duration_us"] > 0)]
        rows = rows.assign(table=path.stem, us=rows["duration_us"].astype(float))
        if {"m", "n", "k"} <= columns:
            found["products"].append(_products(rows, path))
        elif {"ranks", "bytes"} <= columns:
            found["collectives"].append(_collectives(rows))
        elif {"kernel", "grid", "block"} <= columns:
            found["kernels"].append(_kernels(rows))
        else:
            raise EmulatorError(
                f"{path}: no table of kernels: columns m, n, k or kernel, grid, block or ranks, bytes are needed"
            )
    joined = {name: pd.concat(each, ignore_index=True) for name, each in found.items() if each}
    return Tables(**joined, told=told)


def half(rows: pd.DataFrame) -> pd.Series:
    """Which half of the shapes a row belongs to; all rows of a shape to the same, whatever else is in the tables."""
    return rows["shape"].map(lambda shape: zlib.crc32(shape.encode()) % 2 == 1)


def _told(rows: pd.DataFrame, path: Path) -> dict[str, tuple[float, str]]:
    if unknown := sorted(set(rows["key"]) - set(TOLD)):
        raise EmulatorError(f"{path}: {', '.join(unknown)}: not told by tables; allowed: {', '.join(TOLD)}")
    return {str(row.key): (float(row.value_us), path.name) for row in rows.itertuples()}


def _products(rows: pd.DataFrame, path: Path) -> pd.DataFrame:
    rows = rows.assign(batch=rows.get("batch", 1))
    kernels = rows["kernel"].astype(str) if "kernel" in rows else pd.Series("", index=rows.index)
    spelled = rows["dtype"].astype(str) if "dtype" in rows else pd.Series("float32", index=rows.index)
    if unknown := sorted(set(spelled) - set(ARITHMETICS)):
        raise EmulatorError(f"{path}: dtype {', '.join(unknown)}; allowed: {', '.join(ARITHMETICS)}")
    arithmetic = spelled.map(ARITHMETICS)
    on_tensor_cores = kernels.map(lambda name: any(part in name for part in TF32))
    arithmetic = arithmetic.mask((arithmetic == "float32") & on_tensor_cores, "tf32")
    # A profiler's trace does not tell: training has products of both kinds.
    rows = rows.assign(transposed="kernel" in rows)
    if "transpose_b" in rows:  # BLAS' own sizes: its m lies together in memory, as n does here
        rows = rows.assign(m=rows["n"], n=rows["m"], transposed=rows["transpose_b"] == "T")
    sizes = rows[["batch", "m", "n", "k"]].astype(int).astype(str)
    return rows.assign(arithmetic=arithmetic, shape=sizes.agg("x".join, axis=1))


def _kernels(rows: pd.DataFrame) -> pd.DataFrame:
    names = rows["kernel"].astype(str)
    blocks, threads = (rows[column].map(_volume) for column in ("grid", "block"))
    moved = [
        float(bytes_of(name, np.array(b), np.array(t)))
        for name, b, t in zip(names, blocks, threads, strict=True)
    ]
    first = rows["grid"].map(lambda text: float(str(text).split("x")[0]))
    shape = names.str[:NAME] + " " + rows["grid"].astype(str) + " " + rows["block"].astype(str)
    return rows.assign(kind=names.map(kind_of), bytes_=moved, blocks_x=first, shape=shape)


def _volume(text: str) -> float:
    return float(np.prod([float(each) for each in str(text).split("x")]))


def _collectives(rows: pd.DataFrame) -> pd.DataFrame:
    if "devices_per_node" in rows:
        rows = rows[rows["ranks"] <= rows["devices_per_node"]]
    shape = rows["ranks"].astype(str) + " ranks " + rows["bytes"].astype(str)
    return rows.assign(bytes_=rows["bytes"].astype(float), shape=shape)
