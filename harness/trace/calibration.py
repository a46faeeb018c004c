"""What a trace tells of a device for a profile of it: kernels with their sizes, launches and gaps.

In: traces. Out: tables that `python -m emulator fit` takes. Must not know profiles or how constants are fitted.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import msgspec
import numpy as np
import pandas as pd

from harness.trace.launches import Launches, launch_cost, launches
from harness.trace.reading.event import Decoder, Place
from harness.trace.reading.json_stream import TraceFile
from harness.trace.reading.reader import with_times
from harness.trace.reading.trace import KERNEL, Trace
from harness.trace.spans import Times

# assumed: what a profiler adds to a launch call. In traces of V100 and A100 a kernel begins 8 us after its call, where
# 4.3 and 5.2 us are taken without one (conf/emulator/).
PROFILER_US = 3.0
# Operators that are one matrix product, and which of their inputs are its operands.
PRODUCTS = {"aten::mm": (0, 1), "aten::bmm": (0, 1), "aten::addmm": (1, 2), "aten::baddbmm": (1, 2)}
_GEMM = re.compile(r"gemm|cutlass|xmma|nvjet", re.IGNORECASE)
_VECTOR = re.compile(r"gemv|splitK", re.IGNORECASE)
_TEXT = {"float": "float32", "double": "float64", "c10::Half": "float16", "c10::BFloat16": "bfloat16"}
KERNEL_KEYS, PRODUCT_KEYS = (
    ["kernel", "grid", "block"],
    ["dtype", "batch", "m", "n", "k", "kernel", "grid", "block"],
)


class _Sizes(msgspec.Struct, gc=False):
    dims: Any = msgspec.field(default=None, name="Input Dims")
    old_dims: Any = msgspec.field(default=None, name="Input dims")
    types: Any = msgspec.field(default=None, name="Input type")


class _Operator(msgspec.Struct, gc=False):
    name: str = ""
    ts: float | None = None
    dur: float | None = 0.0
    pid: Place = None
    tid: Place = None
    args: _Sizes | None = None


@dataclass(frozen=True)
class Product:
    """(m x k) times (k x n), `batch` of them."""

    dtype: str
    batch: int
    m: int
    n: int
    k: int


@dataclass(frozen=True)
class Calibration:
    """products, kernels: a row for each shape with launches, duration_us (median) and shortest_us, as emulator.fitting
    reads them; told: key of a profile -> us."""

    products: pd.DataFrame
    kernels: pd.DataFrame
    told: dict[str, float]


def calibration(traces: Sequence[Trace], profiler_us: float = PROFILER_US) -> Calibration:
    """Of ranks on devices of one kind. Their files are read once more, for the sizes of operators."""
    rows = [row for trace in traces for row in _kernels(trace)]
    frame = pd.DataFrame(rows, columns=["us", *PRODUCT_KEYS])
    products = frame[frame["m"].notna()]
    return Calibration(
        _by_shape(products, PRODUCT_KEYS).astype(dict.fromkeys(("batch", "m", "n", "k"), int)),
        _by_shape(frame[frame["m"].isna()], KERNEL_KEYS),
        _told(traces, profiler_us),
    )


def _by_shape(rows: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    by_shape = rows.groupby(keys, sort=True)["us"]
    found = by_shape.agg(launches="size", duration_us="median", shortest_us="min", mean_us="mean")
    return found.reset_index()


def _kernels(trace: Trace) -> Iterable[tuple[object, ...]]:
    """us and PRODUCT_KEYS of each kernel but collectives; without sizes of what is no product."""
    found, sizes = launches(trace), _products(trace)
    work, texts = trace.work, trace.names.texts
    for row in np.flatnonzero(work["kind"] == KERNEL).tolist():
        number = int(work["name"][row])
        if trace.is_collective(number) or not (shape := _shape(texts[int(work["shape"][row])])):
            continue
        us = int(work["end"][row] - work["start"][row]) / 1000
        product = sizes.at(int(found.start[row]), int(found.thread[row])) if found.call[row] >= 0 else None
        name = texts[number]
        if product and _GEMM.search(name) and not _VECTOR.search(name):
            yield us, product.dtype, product.batch, product.m, product.n, product.k, name, *shape
        elif not _GEMM.search(name) or _VECTOR.search(name):  # of a product without sizes nothing is known
            yield us, None, None, None, None, None, name, *shape


def _shape(text: str) -> tuple[str, str] | None:
    """Grid and block, as in the tables: 4x32x1."""
    parts = ["x".join(re.findall(r"\d+", part)) for part in text.split("/")[:2]]
    return (parts[0], parts[1]) if len(parts) == 2 and all(part.count("x") == 2 for part in parts) else None


class _Products:
    """Products by when their operators ran."""

    def __init__(self) -> None:
        self._of_thread: dict[int, list[tuple[int, int, Product]]] = defaultdict(list)

    def add(self, thread: int, start: int, end: int, product: Product) -> None:
        self._of_thread[thread].append((start, end, product))

    def at(self, when: int, thread: int) -> Product | None:
        """Within which a call was made; they do not hold each other."""
        known = self._of_thread.get(thread)
        if not known:
            return None
        place = int(np.searchsorted([start for start, _, _ in known], when, side="right")) - 1
        return known[place][2] if place >= 0 and known[place][1] > when else None


def _products(trace: Trace) -> _Products:
    threads = {
        (start, name): thread
        for start, name, thread in zip(
            *(trace.operators[key].tolist() for key in ("start", "name", "thread")), strict=True
        )
        if trace.names.texts[name] in PRODUCTS
    }
    numbers = {trace.names.texts[name]: name for _, name in threads}
    found = []
    for events in TraceFile(trace.path, Decoder(_Operator)).events():
        wanted = [event for event in events if event.name in PRODUCTS and event.args]
        known, starts, ends = with_times(wanted)
        for event, start, end in zip(known, starts.tolist(), ends.tolist(), strict=True):
            thread = threads.get((start, numbers.get(event.name, -1)))
            product = _product_of(event)
            if thread is not None and product is not None:
                found.append((start, end, thread, product))
    products = _Products()
    for start, end, thread, product in sorted(found, key=lambda each: each[0]):
        products.add(thread, start, end, product)
    return products


def _product_of(event: _Operator) -> Product | None:
    """None where sizes or types are not what the operator takes."""
    sizes = event.args
    dims = sizes and (sizes.dims if sizes.dims is not None else sizes.old_dims)
    if sizes is None or not isinstance(dims, list) or not isinstance(sizes.types, list):
        return None
    try:
        left, right = (dims[place] for place in PRODUCTS[event.name])
        dtype = _TEXT[sizes.types[PRODUCTS[event.name][0]]]
        (*batch, m, k), (*_, inner, n) = left, right
        numbers = [int(each) for each in (prod(batch), m, n, k) if inner == k]
    except (IndexError, KeyError, TypeError, ValueError):
        return None
    return Product(dtype, *numbers) if numbers and min(numbers) > 0 else None


def _told(traces: Sequence[Trace], profiler_us: float) -> dict[str, float]:
    """Medians over the ranks' own; what no rank tells is left out."""
    of_ranks: dict[str, list[float]] = defaultdict(list)
    for trace in traces:
        found = launches(trace)
        own = np.flatnonzero((trace.work["kind"] == KERNEL) & (found.call >= 0))
        cost = launch_cost(trace, found.call[own]) / 1000
        latency, gap = _latency_and_gap(trace, found, own)
        for key, us in (
            ("launch_host_us", max(cost - profiler_us, 0.5)),
            ("launch_latency_us", max(latency - profiler_us, 0.5)),
            ("queued_gap_us", gap),
        ):
            if np.isfinite(us):
                of_ranks[key].append(us)
    return {key: round(float(np.median(values)), 3) for key, values in of_ranks.items()}


def _latency_and_gap(trace: Trace, found: Launches, rows: Times) -> tuple[float, float]:
    """us from a launch call's begin to the kernel's on an idle device, and from one kernel's end to the begin of the
    next in its stream that had been launched long before; NaN where there is none."""
    work = trace.work
    latencies, gaps = [], []
    for device in trace.devices:
        order = np.flatnonzero(work["device"] == device)
        order = order[np.argsort(work["start"][order], kind="stable")]
        ended = np.maximum.accumulate(work["end"][order])[:-1]
        next_, called = order[1:], found.start[order[1:]]
        is_kernel = np.isin(next_, rows)
        start = work["start"][next_]
        idle = is_kernel & (called > ended)
        latencies.append((start - called)[idle])
        same = work["stream"][next_] == work["stream"][order[:-1]]
        # Launched so long before that nothing but the device decided.
        queued = is_kernel & same & (start >= ended) & (called >= 0) & (called < ended - 20_000)
        gaps.append((start - ended)[queued])
    return _median_us(latencies), _median_us(gaps)


def _median_us(parts: list[Times]) -> float:
    found = np.concatenate(parts) if parts else np.empty(0)
    return float(np.median(found)) / 1000 if len(found) else float("nan")
