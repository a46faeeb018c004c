"""Each mode of a driver saved with its weights, and loaded again: once, when its rounds are over.

In: the modes of a cell, and the bench. Out: a record of each. Must not know rounds, nor how a framework saves.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from typing import Any

from harness.core import schema
from harness.environments.driving.task import DriverError
from harness.worker.cells.bench import Bench
from harness.worker.cells.driven import Driven, tensors
from harness.worker.cells.prepared import Prepared
from harness.workloads.comparison import TOLERANCE, difference

LONGEST_REASON = 300


def serialise(cell: str, bench: Bench, modes: Iterable[Prepared]) -> None:
    """cell: its id. Of forward steps alone: a training step's state is more than a program with its weights."""
    for mode in modes:
        if isinstance(mode, Driven) and not mode.null and mode.point.workload == "forward":
            found = _tried(mode)
            bench.writer.write("serialisation", cell=cell, key=mode.key, **found)
            bench.sender.send("progress")


def _tried(mode: Driven) -> dict[str, Any]:
    assert mode.driver is not None
    try:
        with tempfile.TemporaryDirectory(prefix="saved-") as folder:
            saved = mode.driver.serialised(folder, mode.slot)
    except DriverError as error:
        what = "" if error.status == schema.UNSUPPORTED else f"{error.status}: "
        return {"error": f"{what}{error}"[:LONGEST_REASON]}
    except OSError as error:
        return {"error": f"no folder to save into: {error.strerror or error}"}
    gap = difference(tensors(saved.outcome), tensors(mode.outcome))
    if not gap <= TOLERANCE[mode.point.dtype]:  # a NaN is no likeness
        return {"error": f"{schema.MISMATCH}: what was loaded computes something else (by {gap:.2g})"}
    return {"format": saved.format, "bytes": saved.bytes, "save_s": saved.save_s, "load_s": saved.load_s}
