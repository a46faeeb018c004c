"""One device under watch: what is asked of it at which tick, and what becomes of refusals.

In: a device, the border to NVML, a tick. Out: the device's part of a sample. A function that is refused for
good is asked no more; what fails is asked again ever more rarely; a lost device costs the others nothing.
Must not know files.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any, Protocol

from harness.monitor.family import UNKNOWN, Family
from harness.monitor.nvml import Found, Refused
from harness.monitor.readings import Journal, Reading, Turns

# Where the driver does not tell how often a value changes: NVML's shortest sample period of utilisation
# (nvmlUtilization_t), and what published measurements of power and energy counters stay within.
UTILIZATION_PERIOD_S, POWER_PERIOD_S = 1 / 6, 0.1
# Two samples of GPM are to be 0.1 s apart at least (nvmlGpmMetricsGet); a tick may come late, the next on time.
GPM_PERIOD_S = 0.15
# What changes slowly.
MEMORY_PERIOD_S, SLOW_PERIOD_S = 0.25, 1.0
SLOW_CALL_S = 0.25
# After a failure a function is asked again after this long, twice as long each time, up to a minute.
FIRST_RETRY_S, LONGEST_RETRY_S = 1.0, 60.0


class Border(Protocol):
    """What is asked of NVML; see nvml.Nvml."""

    lost: list[str]

    @property
    def version(self) -> str: ...
    def devices(self) -> list[Found]: ...
    def ask(self, what: str, device: Found) -> Any: ...
    def again(self, device: Found) -> Found: ...
    def gpm(self, device: Found) -> Callable[[], dict[str, float]]: ...


# Key of the sample, function of the border, seconds between two calls (0: every tick).
_VALUES = (
    ("sm_mhz", "sm_clock", 0.0),
    ("util", "utilization", UTILIZATION_PERIOD_S),
    ("throttle", "throttle", POWER_PERIOD_S),
    ("power_w", "power", POWER_PERIOD_S),
    ("energy_j", "energy", POWER_PERIOD_S),
    ("mem_mib", "memory", MEMORY_PERIOD_S),
    ("mem_mhz", "mem_clock", SLOW_PERIOD_S),
    ("temp_c", "temperature", SLOW_PERIOD_S),
)
_COSTLY = (("pcie_tx_kb_s", "pcie_tx"), ("pcie_rx_kb_s", "pcie_rx"))


class Watched:
    """A device of the node. place: its number among them, which spreads the slow questions over the ticks."""

    def __init__(
        self,
        border: Border,
        found: Found,
        journal: Journal,
        family: Family,
        turns: Turns,
        tick_s: float,
        place: int = 0,
    ) -> None:
        self.found, self._border, self._journal, self._family = found, border, journal, family
        self._tick_s = tick_s
        self.unsupported: dict[str, str] = {}
        self._readings: list[Reading] = []
        self._lost_until: int | None = None
        self._lost_for = 0
        self.periods: dict[str, float] = self._once("periods") or {}
        self.power_limit_w: float | None = self._once("power_limit")
        self._first: dict[str, Any] = {}
        self._add_all(turns, place)

    def about(self) -> dict[str, Any]:
        """The device in the node line."""
        period = self.periods.get("utilization", UTILIZATION_PERIOD_S)
        said = {
            "uuid": self.found.uuid,
            "pci": self.found.pci,
            "name": self.found.name,
            "mig": self.found.mig,
            "energy_counter": "energy" not in self.unsupported,
            "gpm": "gpm" not in self.unsupported,
            "power_limit_w": self.power_limit_w,
            "utilization_period_ms": None if "utilization" in self.unsupported else round(1e3 * period, 1),
            "unsupported": self.unsupported,
        }
        return {**said, "others": self._first["others"]} if "others" in self._first else said

    def sample(self, tick: int) -> dict[str, Any] | None:
        """What the device says at this tick; None while it is lost."""
        if self._lost_until is not None and not self._found_again(tick):
            return None
        said: dict[str, Any] = {}
        for reading in self._readings:
            if tick < reading.next or (reading.turns and not reading.turns.has(tick)):
                continue
            reading.next = tick + (reading.turns.round if reading.turns else reading.every)
            began = time.monotonic_ns()
            try:
                reading.put(said, reading.ask())
                reading.retry = 0
            except Refused as refusal:
                self._refused(reading, refusal, tick)
                if self._lost_until is not None:
                    return None
            finally:
                self._timed(reading.function, began)
        return said

    def _add_all(self, turns: Turns, place: int) -> None:
        """Ask each function once: what is refused for good is not asked again."""
        for key, function, seconds in _VALUES:
            self._add(function, self._asks(function), _puts(key), self._period(function, seconds), place)
        self._add("processes", self._asks("processes"), self._put_others, SLOW_PERIOD_S, place)
        try:
            read = self._border.gpm(self.found)
            self._add("gpm", read, dict.update, GPM_PERIOD_S, place)
        except Refused as refusal:
            self._unsupported("gpm", refusal)
        for key, function in _COSTLY:
            if self._add(function, self._asks(function), _puts(key), 0, place):
                self._readings[-1].turns = turns
                turns.members += 1

    def _add(
        self,
        function: str,
        ask: Callable[[], Any],
        put: Callable[[dict[str, Any], Any], None],
        seconds: float,
        place: int,
    ) -> bool:
        began = time.monotonic_ns()
        every = max(1, math.ceil(seconds / self._tick_s - 1e-6))
        reading = Reading(function, ask, put, every, next=place % every)
        try:
            put(self._first, ask())
        except Refused as refusal:
            if refusal.kind in ("unsupported", "denied"):
                self._unsupported(function, refusal)
                return False
            self._refused(reading, refusal, 0)
        finally:
            self._timed(function, began)
        self._readings.append(reading)
        return True

    def _period(self, function: str, seconds: float) -> float:
        """Seconds between two calls: as the driver tells; what is regulated with power changes with it."""
        if function == "utilization":
            return self.periods.get("utilization", seconds)
        return self.periods.get("power", seconds) if seconds == POWER_PERIOD_S else seconds

    def _asks(self, function: str) -> Callable[[], Any]:
        return lambda: self._border.ask(function, self.found)

    def _put_others(self, said: dict[str, Any], pids: list[int]) -> None:
        others = self._family.others(pids)
        if others is None:
            self.unsupported.setdefault("others", UNKNOWN)
        else:
            self.unsupported.pop("others", None)
            said["others"] = others

    def _once(self, function: str) -> Any:
        try:
            return self._border.ask(function, self.found)
        except Refused:
            return None

    def _unsupported(self, function: str, refusal: Refused) -> None:
        # Both directions of PCIe stand under one name.
        self.unsupported["pcie" if function.startswith("pcie") else function] = str(refusal)
        if refusal.kind == "denied":
            self._journal.note(self.found.uuid, "denied", function, str(refusal))

    def _refused(self, reading: Reading, refusal: Refused, tick: int) -> None:
        if refusal.kind == "lost":
            self._journal.note(self.found.uuid, "lost", reading.function, str(refusal))
            self._wait_for_it(tick)
        elif refusal.kind == "error":
            self._journal.note(self.found.uuid, "error", reading.function, str(refusal))
            reading.retry = self._longer(reading.retry)
            reading.next = tick + reading.retry
        else:
            self._journal.note(
                self.found.uuid,
                "denied" if refusal.kind == "denied" else "error",
                reading.function,
                str(refusal),
            )
            self._readings = [each for each in self._readings if each is not reading]

    def _timed(self, function: str, began: int) -> None:
        if (took := (time.monotonic_ns() - began) / 1e9) > SLOW_CALL_S:
            self._journal.note(
                self.found.uuid, "slow", function, f"took {took:.2f} s; the limit is {SLOW_CALL_S} s"
            )

    def _wait_for_it(self, tick: int) -> None:
        self._lost_for = self._longer(self._lost_for)
        self._lost_until = tick + self._lost_for

    def _found_again(self, tick: int) -> bool:
        assert self._lost_until is not None
        if tick < self._lost_until:
            return False
        began = time.monotonic_ns()
        try:
            self.found = self._border.again(self.found)
        except Refused:
            self._wait_for_it(tick)
            return False
        finally:
            self._timed("again", began)
        self._lost_until = None
        return True

    def _longer(self, ticks: int) -> int:
        first, longest = (
            max(1, round(seconds / self._tick_s)) for seconds in (FIRST_RETRY_S, LONGEST_RETRY_S)
        )
        return min(longest, 2 * ticks) if ticks else first


def _puts(key: str) -> Callable[[dict[str, Any], Any], None]:
    def put(said: dict[str, Any], value: Any) -> None:
        said[key] = value

    return put
