"""Whatever a profiler's trace holds: no traceback, every gap's causes add up to it, and every share is one."""

from __future__ import annotations

import csv
import gzip
import json
import math
import tempfile
from pathlib import Path
from typing import Any

from examples import EXAMPLES, JSON, NUMBERS
from hypothesis import given
from hypothesis import strategies as st
from made_traces import OTHER, Made

from harness.commands.cli import main
from harness.trace.idle import CAUSES

Rows = list[dict[str, str]]
FIELDS = ("ph", "cat", "name", "pid", "tid", "ts", "dur", "args", "id")
ARGUMENTS = (
    *("correlation", "External id", "external id", "device", "stream", "grid", "block", "bytes"),
    *("Collective name", "In msg nelems", "Process Group Name"),
)
KINDS = (
    "kernel",
    "gpu_memcpy",
    "cuda_runtime",
    "cuda_driver",
    "cpu_op",
    "user_annotation",
    "python_function",
)
NAMES = (
    *("cudaStreamSynchronize", "cudaMalloc", "cudaLaunchKernel", "cudaGraphLaunch", "cudaStreamWaitEvent"),
    *("Stream Wait Event", "ncclDevKernel_AllReduce", "DataLoader", "ProfilerStep#1", "ProfilerStep#99", ""),
    "Torch-Compiled Region: <b>\x1b[31m",
)
# Near the others, where what overlaps and what nests is decided, and far away.
TIMES = st.one_of(st.integers(-50, 900), st.floats(0, 900, allow_subnormal=False), NUMBERS)
ODD = st.fixed_dictionaries(
    {},
    optional={
        "ph": st.sampled_from(["X", "X", "X", "B", "f"]),
        "cat": st.sampled_from(KINDS),
        "name": st.sampled_from(NAMES),
        "pid": st.integers(0, 3),
        "tid": st.integers(0, 3),
        "ts": TIMES,
        "dur": TIMES,
        "args": st.dictionaries(
            st.sampled_from(ARGUMENTS), st.one_of(st.integers(0, 12), NUMBERS, JSON), max_size=4
        ),
    },
)
BROKEN = st.dictionaries(st.sampled_from(FIELDS), JSON, max_size=3)


def made(rank: int = 0) -> Made:
    found = Made(rank, ranks=2)
    for number in range(3):
        begin = 100 * number
        found.step(number, begin, 95)
        found.operator("aten::linear", begin + 10, 40)
        found.python("model.py(7): forward", begin + 5, 50)
        found.kernel(begin + 30, 20, begin + 12)
        found.kernel(begin + 45, 10, begin + 20, stream=8, thread=OTHER)
        found.kernel(begin + 60, 15 + 5 * rank, begin + 22, name="ncclDevKernel_AllReduce_Sum_f32")
        found.call("cudaStreamSynchronize", begin + 52, 28)
    return found


def _changed(data: st.DataObject, events: list[Any]) -> list[Any]:
    """Some of them otherwise, some twice, some more, in any order."""
    found = list(events)
    for _ in range(data.draw(st.integers(1, 6))):
        place = data.draw(st.integers(0, len(found) - 1))
        event = found[place] if isinstance(found[place], dict) else {}
        change = data.draw(st.one_of(ODD, ODD, BROKEN))
        other = {**event, **change}
        if isinstance(event.get("args"), dict) and isinstance(change.get("args"), dict):
            other["args"] = {**event["args"], **change["args"]}
        if data.draw(st.booleans()):
            found[place] = other
        else:
            found.insert(place, data.draw(st.one_of(st.just(other), JSON)))
    return found


def _told(folder: Path, *files: Path) -> tuple[Rows, Rows]:
    """Rows of trace.csv and of gaps.csv; none where it was refused."""
    out = folder / "out"
    if main(["trace", *map(str, files), "--tables", "--out", str(out)]):
        assert not out.exists()  # refused, before anything was written
        return [], []
    return _rows(out / "trace.csv"), _rows(out / "gaps.csv")


def _rows(path: Path) -> Rows:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _check(table: Rows, gaps: Rows) -> None:
    for row in table:
        shares = {name: float(text) for name, text in row.items() if name.endswith("_share") and text}
        assert all(-1e-9 <= share <= 1 + 1e-9 for share in shares.values()), shares
        assert math.isclose(shares["busy_share"] + shares["idle_share"], 1, abs_tol=1e-6)
        causes = sum(shares[f"{cause}_share"] for cause in CAUSES)
        assert math.isclose(causes, shares["idle_share"], abs_tol=1e-6)
        assert float(row["span_us"]) > 0
    for row in gaps:
        of_causes = sum(float(row[f"{cause}_us"]) for cause in CAUSES)
        assert math.isclose(of_causes, float(row["length_us"]), rel_tol=1e-6, abs_tol=1e-3)


@EXAMPLES
@given(data=st.data())
def test_odd_events(data: st.DataObject) -> None:
    found = made()
    found.events = _changed(data, found.events)
    if data.draw(st.booleans()):
        found.about["distributedInfo"] = data.draw(JSON)
    if data.draw(st.booleans()):
        found.about["deviceProperties"] = data.draw(JSON)
    with tempfile.TemporaryDirectory() as folder:
        files = [found.save(Path(folder) / "trace.json"), made(rank=1).save(Path(folder) / "other.json")]
        _check(*_told(Path(folder), *files[: data.draw(st.integers(1, 2))]))


@EXAMPLES
@given(data=st.data())
def test_odd_bytes(data: st.DataObject) -> None:
    """Cut off anywhere, with other bytes in the middle, packed or plain."""
    whole = json.dumps({**made().about, "traceEvents": made().events}).encode()
    packed = data.draw(st.booleans())
    content = bytearray(gzip.compress(whole) if packed else whole)
    for _ in range(data.draw(st.integers(0, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(content)))
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "trace.json"
        file.write_bytes(bytes(content[:cut]))
        _check(*_told(Path(folder), file))
