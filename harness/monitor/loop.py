"""The sampler: takes samples on a schedule and writes them down, until it is told to end.

In: a Spec. Out: monitor/node-<k>.jsonl, each line on time.monotonic_ns. Whatever fails is written down as
well and survived. Must not know torch or points; uses no device.
"""

from __future__ import annotations

import os
import platform
import select
import signal
import socket
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.core.cpu import allowed_cores, usable_cores
from harness.core.processes.interrupt import heeded
from harness.monitor.family import Family
from harness.monitor.host import Host
from harness.monitor.nvml import NoNvml, Nvml
from harness.monitor.readings import Journal, Turns
from harness.monitor.watch import Border, Watched
from harness.records.lines import Writer

# The kernel counts CPU time in ticks of 10 ms: over half a second they are 2 %.
HOST_PERIOD_S, FAMILY_PERIOD_S, MHZ_PERIOD_S = 0.5, 1.0, 5.0


@dataclass(frozen=True)
class Spec:
    """What is sampled where. parent: the process whose descendants are the sweep's. stdin: end when it does."""

    out: str
    node: int
    hz: float
    parent_pid: int
    ends_with_stdin: bool = False


class SamplingLoop:
    """One node under watch. now_ns: the clock of schedule and stamps, which a test can set."""

    def __init__(
        self,
        spec: Spec,
        border: Border | None = None,
        why: str | None = None,
        now_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self.spec = spec
        self._now_ns = now_ns
        self._writer: Writer | None = Writer(Path(spec.out))
        self._early: list[tuple[str, dict[str, Any]]] = []
        self._began = False
        self.journal = Journal(self._tell)
        self.family = Family(spec.parent_pid)
        self.family.refresh()
        self.host = Host()
        self.samples = 0
        self.devices: list[Watched] = []
        self._open(border, why)

    def _open(self, border: Border | None, why: str | None) -> None:
        version = None
        if border is None and why is None:
            try:
                border = Nvml()
            except NoNvml as error:
                why = f"no NVML: {error}"
        if border is not None:
            version = border.version
            why = self._watch_all(border)
        self._tell_first(version, why)

    def _watch_all(self, border: Border) -> str | None:
        try:
            found = border.devices()
        except Exception as error:
            self.journal.note(None, "error", "devices", str(error))
            return f"NVML lists no devices: {error}"
        for each in border.lost:
            self.journal.note(None, "lost", "devices", each)
        turns, tick_s = Turns(1 / self.spec.hz), 1 / self.spec.hz
        for place, device in enumerate(found):
            self.devices.append(Watched(border, device, self.journal, self.family, turns, tick_s, place))
        return None if found else "NVML knows no device here"

    def _tell_first(self, version: str | None, why: str | None) -> None:
        """The node line, and after it what was noted before there was one."""
        self._write(
            "node",
            node=self.spec.node,
            host=platform.node(),
            pid=os.getpid(),
            t_ns=self._now_ns(),
            hz=self.spec.hz,
            cores=os.cpu_count() or 1,
            allowed_cores=len(allowed_cores()),
            usable_cores=usable_cores(),
            nvml=version,
            why=why,
            devices=[device.about() for device in self.devices],
        )
        self._began = True
        for kind, fields in self._early:
            self._write(kind, **fields)

    def _tell(self, kind: str, **fields: Any) -> None:
        if self._began:
            self._write(kind, **fields)
        else:
            self._early.append((kind, fields))

    def _write(self, kind: str, **fields: Any) -> None:
        try:
            if self._writer is None:
                self._writer = Writer(Path(self.spec.out))  # ends the line that was cut off
            self._writer.write(kind, **fields)
        except OSError:  # no space left, say: what counts is that the next ones come when there is
            self.journal.counted["unwritten"] += 1
            if self._writer is not None:
                with suppress(OSError):
                    self._writer.close()
            self._writer = None

    def run(self, ending: StopSignal) -> None:
        """Sample at every tick of an absolute schedule until told to end; ticks that were missed are left out."""
        period = round(1e9 / self.spec.hz)
        began, cpu = self._now_ns(), time.process_time()
        tick = 0
        while not ending.within(began + tick * period - self._now_ns()):
            try:
                self.sample(tick)
            except Exception as error:  # a sampler that ends over an error has sampled nothing from there on
                self.journal.note(None, "error", type(error).__name__, str(error))
            if self.family.orphaned:
                break
            tick = max(tick + 1, -((began - self._now_ns()) // period))
        counted = self.journal.counted
        self._write(
            "end",
            t_ns=self._now_ns(),
            samples=self.samples,
            slow_calls=counted["slow"],
            errors=counted["error"] + counted["lost"] + counted["denied"] + counted["unwritten"],
            cpu_s=round(time.process_time() - cpu, 4),
            wall_s=round((self._now_ns() - began) / 1e9, 4),
        )

    def sample(self, tick: int) -> None:
        """One line of everything that is due at this tick."""
        began = self._now_ns()
        devices = [device.sample(tick) for device in self.devices]
        host: dict[str, Any] = {}
        if self._due(tick, FAMILY_PERIOD_S):
            self.family.refresh()
        if self._due(tick, HOST_PERIOD_S):
            host = self.host.use(self.family.ranks) | self.host.busy(self.family.own)
        if self._due(tick, MHZ_PERIOD_S) and (mhz := self.host.mhz()):
            host["mhz"] = mhz
        self._write("sample", t_ns=began, took_ns=self._now_ns() - began, devices=devices, host=host)
        self.samples += 1

    def _due(self, tick: int, seconds: float) -> bool:
        return tick % max(1, round(seconds * self.spec.hz)) == 0


class StopSignal:
    """Waits, and knows when to stop: at SIGTERM, or when standard input ends, which the parent's end ends too."""

    def __init__(self, with_stdin: bool) -> None:
        woken, wake = socket.socketpair()
        for end in (woken, wake):
            end.setblocking(False)
        self._held = (woken, wake)
        signal.set_wakeup_fd(wake.fileno(), warn_on_full_buffer=False)
        for number in heeded(signal.SIGTERM):
            signal.signal(number, lambda number, frame: None)
        # Ctrl-C in a terminal reaches all processes; the one that runs the sweep then ends this one.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        self._ends = [woken, sys.stdin] if with_stdin else [woken]

    def within(self, ns: int) -> bool:
        """Sleep for so long; whether the end came meanwhile."""
        return bool(select.select(self._ends, [], [], max(0, ns) / 1e9)[0])
