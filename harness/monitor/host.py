"""The host's part of a sample: cores, load, clock, and what each rank's process uses.

In: /proc. Out: plain numbers. Files stay open and are read anew: that is what makes it cheap.
Must not know devices.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from harness.core.cpu import allowed_cores
from harness.core.cpu_time import busy_seconds, process_seconds

_LARGEST = 1 << 20
_TICKS_S = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100
_PAGE_MIB = (os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096) / 2**20


class Host:
    """The host as of each call; what this system does not tell is left out."""

    def __init__(self, proc: Path = Path("/proc")) -> None:
        self._proc = proc
        self._before: list[tuple[int, int]] = []
        self._ranks: dict[int, int] = {}
        self._allowed = frozenset(allowed_cores())
        self._own_s, self._own_before = 0.0, 0.0
        try:
            self._stat = os.open(proc / "stat", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            self._stat = -1

    def use(self, ranks: Mapping[int, int]) -> dict[str, Any]:
        """cores: per cent of each since the last call; load; ranks: CPU seconds and resident MiB so far."""
        said: dict[str, Any] = {}
        if cores := self._cores():
            said["cores"] = cores
        with contextlib.suppress(OSError):
            said["load"] = round(os.getloadavg()[0], 2)
        if ranks or self._ranks:
            said["ranks"] = self._of_ranks(ranks)
        return said

    def busy(self, own: Collection[int]) -> dict[str, float]:
        """busy_s: CPU seconds so far of the cores that may be used here, own_s: of the sweep's processes `own`.

        Empty where the system does not tell. Only differences mean anything.
        """
        if self._stat < 0:
            return {}
        busy_s = busy_seconds(os.pread(self._stat, _LARGEST, 0), self._allowed)
        if busy_s is None:
            return {}
        own_s = process_seconds(own, self._proc)
        # The sum falls where a process ends that nobody of the sweep waits for.
        self._own_s += max(0.0, own_s - self._own_before)
        self._own_before = own_s
        return {"busy_s": round(busy_s, 2), "own_s": round(self._own_s, 2)}

    def mhz(self) -> float | None:
        """Mean clock of the cores. Asking wakes every one of them up, so ask rarely."""
        try:
            clocks = re.findall(
                r"^cpu MHz\s*:\s*([\d.]+)", (self._proc / "cpuinfo").read_text(encoding="utf-8"), re.MULTILINE
            )
        except OSError:
            return None
        return round(sum(map(float, clocks)) / len(clocks), 1) if clocks else None

    def _cores(self) -> list[float]:
        if self._stat < 0:
            return []
        now = []
        for line in os.pread(self._stat, _LARGEST, 0).split(b"\n")[1:]:
            if not line.startswith(b"cpu"):
                break
            # user nice system idle iowait irq softirq steal; guest times are in user's already (proc(5)).
            times = [int(word) for word in line.split()[1:9]]
            now.append((sum(times), times[3] + times[4]))
        before, self._before = self._before, now
        if len(before) != len(now):  # the first call, or a core was taken away
            return []
        return [
            round(100 * max(0.0, 1 - (idle - idle_then) / (total - then)), 1) if total > then else 0.0
            for (total, idle), (then, idle_then) in zip(now, before, strict=True)
        ]

    def _of_ranks(self, ranks: Mapping[int, int]) -> dict[str, dict[str, float]]:
        for pid in self._ranks.keys() - ranks.keys():
            os.close(self._ranks.pop(pid))
        said = {}
        for pid, rank in ranks.items():
            try:
                if pid not in self._ranks:
                    path = self._proc / str(pid) / "stat"
                    self._ranks[pid] = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
                fields = os.pread(self._ranks[pid], 4096, 0).rpartition(b")")[2].split()
                cpu = (int(fields[11]) + int(fields[12])) / _TICKS_S
                mib = round(int(fields[21]) * _PAGE_MIB, 1)
            except (OSError, ValueError, IndexError):
                continue  # it has just ended
            said[str(pid)] = {"rank": rank, "cpu_s": cpu, "rss_mib": mib}
        return said
