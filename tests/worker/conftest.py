"""Measuring one cell: real modes on a CPU, one rank, into a raw file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from cell_records import TIMING, Alone, Measure, Records

from benchmarks.on_disk import lines_of
from harness.devices.device import Device
from harness.modes import Mode
from harness.modes import registry as modes
from harness.plan.config import TimingConfig
from harness.plan.points import Cell
from harness.records.lines import Writer
from harness.records.raw import RawFiles
from harness.session.progress import Sender
from harness.worker.cells.bench import Bench
from harness.worker.issuers import InTurn
from harness.worker.visits import measure_cells


@pytest.fixture
def measure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Measure:
    """Measure a cell and answer the records; seeds and further modes may be given."""
    monkeypatch.delenv("HARNESS_PROGRESS_SOCKET", raising=False)
    monkeypatch.setenv("RUN", str(tmp_path))
    (tmp_path / "raw").mkdir()

    def run(
        cell: Cell,
        *,
        seed: int = 0,
        mode: Mode | None = None,
        usage: bool = True,
        device: Device | None = None,
        window_s: float = 0.0,
        timing: TimingConfig = TIMING,
        session: str = "s",
        null: bool = False,
    ) -> Records:
        if mode is not None:
            monkeypatch.setitem(modes.MODES, mode.name, mode)
        path = tmp_path / "raw" / "s-rank0.jsonl"
        path.unlink(missing_ok=True)
        writer = Writer(path)
        ranks: Any = Alone()
        issuers = InTurn([device or Device()])
        nulls = frozenset([cell.id] if null else [])
        bench = Bench(ranks, issuers, writer, Sender(), timing, seed, usage, 50.0, window_s, session, nulls)
        try:
            measure_cells([cell], bench)
        finally:
            writer.close()
        written, raw = lines_of(tmp_path)[path.name], RawFiles(tmp_path)
        assert len(list(raw.records(path.name))) == len(written)
        assert not raw.skipped, "a record that its own reader refuses"
        return written

    return run
