"""Profiler traces made up for tests, as Kineto writes them: times in us, each gap of a known cause."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

MAIN, OTHER = (10, 10), (10, 11)


class Made:
    """Events of one rank. What a device does is launched by a call of a host thread."""

    def __init__(self, rank: int | None = 0, ranks: int = 1) -> None:
        self.events: list[dict[str, Any]] = []
        self.about: dict[str, Any] = {"schemaVersion": 1}
        if rank is not None:
            self.about["distributedInfo"] = {"backend": "nccl", "rank": rank, "world_size": ranks}
        self._number = 0

    def add(
        self, cat: str, name: str, ts: float, dur: float, place: tuple[int, int] = MAIN, **arguments: Any
    ) -> None:
        pid, tid = place
        self.events.append(
            {
                "ph": "X",
                "cat": cat,
                "name": name,
                "pid": pid,
                "tid": tid,
                "ts": ts,
                "dur": dur,
                "args": arguments,
            }
        )

    def kernel(
        self,
        ts: float,
        dur: float,
        launched: float | None,
        *,
        stream: int = 7,
        device: int = 0,
        name: str = "kernel",
        thread: tuple[int, int] = MAIN,
        call: float = 2,
    ) -> None:
        """launched: when the call began; None: it is not in the trace."""
        self._number += 1
        self.add(
            *("kernel", name, ts, dur, (device, stream)),
            **{"device": device, "stream": stream, "correlation": self._number},
        )
        if launched is not None:
            self.add("cuda_runtime", "cudaLaunchKernel", launched, call, thread, correlation=self._number)

    def call(self, name: str, ts: float, dur: float, thread: tuple[int, int] = MAIN) -> None:
        self._number += 1
        self.add("cuda_runtime", name, ts, dur, thread, correlation=self._number)

    def operator(self, name: str, ts: float, dur: float, thread: tuple[int, int] = MAIN) -> None:
        self.add("cpu_op", name, ts, dur, thread)

    def python(self, name: str, ts: float, dur: float, thread: tuple[int, int] = MAIN) -> None:
        self.add("python_function", name, ts, dur, thread)

    def step(self, number: int, ts: float, dur: float) -> None:
        self.add("user_annotation", f"ProfilerStep#{number}", ts, dur)

    def text(self) -> str:
        return json.dumps({**self.about, "traceEvents": self.events, "traceName": "x"}, indent=1)

    def save(self, path: Path) -> Path:
        text = self.text().encode()
        path.write_bytes(gzip.compress(text) if path.suffix == ".gz" else text)
        return path
