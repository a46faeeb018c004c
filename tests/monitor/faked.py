"""A faked border to NVML: devices whose answers, refusals and slowness are set by the test."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from harness.monitor.nvml import Found, Kind, Refused

ANSWERS: dict[str, Any] = {
    "utilization": 50,
    "memory": 100.0,
    "sm_clock": 1500,
    "mem_clock": 900,
    "power": 200.0,
    "energy": 1000.0,
    "temperature": 40,
    "throttle": [],
    "pcie_tx": 10,
    "pcie_rx": 20,
    "processes": [],
    "power_limit": 300.0,
    "periods": {"utilization": 0.1, "power": 0.05},
}


class FakeNvml:
    """`count` devices; refusals: (uuid, function) -> kind; slow: (uuid, function) -> seconds a call takes."""

    version = "faked"

    def __init__(self, count: int = 2, gpm: bool = False) -> None:
        self.found = [Found(n, f"GPU-{n}", f"00000000:0{n}:00.0", "Faked GPU") for n in range(count)]
        self.lost: list[str] = []
        self.answers = dict(ANSWERS)
        self.refusals: dict[tuple[str, str], Kind] = {}
        self.slow: dict[tuple[str, str], float] = {}
        self.calls: Counter[tuple[str, str]] = Counter()
        self._gpm = gpm

    def devices(self) -> list[Found]:
        return self.found

    def again(self, device: Found) -> Found:
        self._heed(device.uuid, "again")
        return device

    def ask(self, what: str, device: Found) -> Any:
        self._heed(device.uuid, what)
        return self.answers[what]

    def gpm(self, device: Found) -> Callable[[], dict[str, float]]:
        if not self._gpm:
            raise Refused("unsupported", "from Hopper on")
        return lambda: {"sm_active": 30.0, "sm_occupancy": 20.0, "dram_active": 10.0}

    def lose(self, uuid: str) -> None:
        for function in (*ANSWERS, "again"):
            self.refusals[uuid, function] = "lost"

    def _heed(self, uuid: str, function: str) -> None:
        self.calls[uuid, function] += 1
        time.sleep(self.slow.get((uuid, function), 0))
        if kind := self.refusals.get((uuid, function)):
            raise Refused(kind, f"{kind} by the test")
