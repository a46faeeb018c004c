"""Run directories made up for tests: raw records as launcher and ranks write them, with known block times."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from harness.analysis.run import load_run
from harness.plan.points import Cell, Point
from harness.records.lines import Writer
from harness.records.naming import null_key
from harness.records.raw import LAUNCHER_FILE
from harness.sweep.announce import point_record

POINT = Point("mlp-8x2", (8, 8, 8), 2, 8, 10, 1, "processes", "forward", "float32", "eager", "weak")

# Nanoseconds that one step of (mode, rank, round) takes.
StepTime = Callable[[str, int, int], int]


def cell_of(modes: Sequence[str] = ("eager", "script"), **axes: Any) -> Cell:
    """A cell of small points; axes: what differs from POINT."""
    return Cell(tuple(replace(POINT, mode=mode, **axes) for mode in modes))


def key_of(cell: Cell, mode: str) -> str:
    return next(point.key for point in cell.points if point.mode == mode)


class RawRun:
    """Writes a run directory piece by piece. Blocks of a session follow each other on one clock."""

    def __init__(self, directory: Path, *, device_kind: str = "cpu", cores: int = 8) -> None:
        self.directory, self.device_kind = directory, device_kind
        (directory / "raw").mkdir(parents=True)
        self.launcher("start", device_kind=device_kind, device_name="Test device", cores=cores)
        self.now_ns = 1_000_000_000

    def write(self, file: str, kind: str, **fields: Any) -> None:
        writer = Writer(self.directory / "raw" / file)
        writer.write(kind, **fields)
        writer.close()

    def launcher(self, kind: str, **fields: Any) -> None:
        self.write(LAUNCHER_FILE, kind, **fields)

    def plan(self, *cells: Cell) -> None:
        for cell in cells:
            for point in cell.points:
                self.launcher("point", **point_record(point))

    def outcome(self, key: str, status: str, error: str) -> None:
        self.launcher("outcome", key=key, status=status, error=error)

    def session(self, name: str, cells: Iterable[Cell], ranks: int = 1, **options: Any) -> None:
        """A whole session; options: see measure."""
        writers = self.begin(name, ranks)
        for cell in cells:
            self.measure(writers, cell, **options)
        for writer in writers:
            writer.close()

    def begin(
        self, name: str, ranks: int = 1, each: Sequence[Mapping[str, Any]] = (), **said: Any
    ) -> list[Writer]:
        """The files of a session's ranks, each with its first line; said: what it says of every rank, each: of one."""
        writers = [Writer(self.directory / "raw" / f"{name}-rank{rank}.jsonl") for rank in range(ranks)]
        for rank, writer in enumerate(writers):
            writer.write(
                "session",
                session=name,
                rank=rank,
                ranks=ranks,
                device_kind=self.device_kind,
                device_name="Test device",
                **{
                    "threads": 1,
                    "rel_width": 0.02,
                    "rel_width_step": 0.05,
                    **said,
                    **(each[rank] if each else {}),
                },
            )
        return writers

    def measure(
        self,
        writers: Sequence[Writer],
        cell: Cell,
        *,
        step_ns: StepTime = lambda mode, rank, number: {"eager": 3000, "script": 1000}.get(mode, 2000),
        rounds: int = 10,
        steps: int = 100,
        stop: str = "complete",
        share: float = 1.0,
        turns: int = 1,
        ended: bool = True,
        cpu_share: float | None = 1.0,
        start_late_ns: Mapping[int, int] | None = None,
        dropped: Mapping[str, tuple[int, str, str]] | None = None,
        missing: Iterable[tuple[int, int]] = (),
        extra: Mapping[str, Any] | None = None,
        found: Mapping[str, Any] | None = None,
        null: bool = False,
    ) -> None:
        """A cell as the ranks write it.

        start_late_ns: rank -> how late it begins its blocks; dropped: mode -> (rank, status, reason);
        missing: (rank, round) whose line is not there; extra: further fields of each block;
        found: of each mode's preparation; null: eager has a second build, which step_ns knows as the mode "null".
        """
        late, dropped, lost = dict(start_late_ns or {}), dict(dropped or {}), set(missing)
        for rank, writer in enumerate(writers):
            writer.write("cell", cell=cell.id, keys={p.mode: p.key for p in cell.points})
            for point in cell.points:
                if point.mode in dropped:
                    where, status, error = dropped[point.mode]
                    if where == rank:
                        self.now_ns += 1
                        writer.write(
                            "dropped",
                            cell=cell.id,
                            key=point.key,
                            status=status,
                            error=error,
                            at_ns=self.now_ns,
                        )
                    continue
                writer.write(
                    "prepared",
                    cell=cell.id,
                    key=point.key,
                    prepare_s=0.5 + rank,
                    first_call_s=0.25 + rank,
                    **{"process_peak_mib": 100.0 + rank, **(found or {})},
                )
        left = [point for point in cell.points if point.mode not in dropped]
        measured = [(point.mode, point.key) for point in left]
        if null:
            measured.append(("null", null_key(key_of(cell, "eager"))))
        for number in range(rounds):
            lines: list[list[dict[str, Any]]] = [[] for _ in writers]
            for mode, key in measured:
                ends = []
                for rank in range(len(writers)):
                    wall = step_ns(mode, rank, number) * steps
                    start = self.now_ns + late.get(rank, 0)
                    ends.append(start + wall)
                    usage = (
                        {}
                        if cpu_share is None
                        else dict.fromkeys(("cpu_ns", "main_ns"), round(cpu_share * wall))
                    )
                    block = {"key": key, "steps": steps, "start_ns": start, "end_ns": start + wall}
                    lines[rank].append({**block, **usage, **(extra or {})})
                self.now_ns = max(ends) + 1000
            for rank, writer in enumerate(writers):
                if (rank, number) not in lost:
                    writer.write("round", cell=cell.id, round=number, blocks=lines[rank])
        if ended:
            keys = [point.key for point in left]
            writers[0].write("end", cell=cell.id, stop=stop, keys=keys, share=share, turns=turns)

    def hold(
        self, writers: Sequence[Writer], cell: Cell, mode: str, *, seconds: float = 1.0, steps: int = 1000
    ) -> tuple[int, int]:
        """The window in which all ranks hold a point in a steady state; answers its ends."""
        start = self.now_ns
        self.now_ns = end = start + round(seconds * 1e9)
        for writer in writers:
            writer.write(
                "window",
                cell=cell.id,
                key=key_of(cell, mode),
                start_ns=start,
                end_ns=end,
                steps=steps,
            )
        return start, end


def seconds_of(action: Callable[[], Any], times: int = 3) -> float:
    """The least of several times, for ratios within one test."""
    found = []
    for _ in range(times):
        start = time.perf_counter()
        action()
        found.append(time.perf_counter() - start)
    return min(found)


def points(raw: RawRun) -> pd.DataFrame:
    """The table, by mode and device count."""
    return load_run(raw.directory).points.set_index(["mode", "devices"], drop=False)


def row(raw: RawRun, mode: str = "eager", devices: int = 1) -> Any:
    return points(raw).loc[(mode, devices)]
