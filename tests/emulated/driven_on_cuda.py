"""What test_driver_on_cuda.py runs as a program on an emulated node: a cell of two environments, by drivers on CUDA.

In: a folder, a workload and modes, as arguments. Out: raw records in it.
"""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from cell_records import TIMING, Alone
from plans import POINT

from harness.devices.opening import open_device
from harness.environments.document import HERE, Environment
from harness.plan.points import Cell
from harness.records.lines import Writer
from harness.session.progress import Sender
from harness.worker.cells.bench import Bench
from harness.worker.drivers import Drivers
from harness.worker.issuers import InTurn
from harness.worker.visits import measure_cells


def main(folder: Path, workload: str, modes: list[str]) -> None:
    other = Environment("copy", "torch", sys.executable, (), {})
    writer = Writer(folder / "raw" / "s-rank0.jsonl")
    drivers = Drivers(
        [HERE, other],
        threads=1,
        cores=None,
        timeout_s=120.0,
        while_waiting=lambda: None,
        told=lambda name, facts: writer.write("environment", environment=name, facts=dict(facts)),
    )
    cell = Cell(
        tuple(
            replace(POINT, environment=name, mode=mode, workload=workload)
            for name in (HERE.name, other.name)
            for mode in modes
        )
    )
    ranks: Any = Alone()
    issuers = InTurn([open_device("cuda", 0)])
    bench = Bench(ranks, issuers, writer, Sender(), TIMING, 0, True, 50.0, drivers=drivers)
    try:
        measure_cells([cell], bench)
    finally:
        drivers.close()
        writer.close()


if __name__ == "__main__":
    os.environ.pop("HARNESS_PROGRESS_SOCKET", None)
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3].split(","))
