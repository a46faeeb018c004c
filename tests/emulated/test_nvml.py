"""NVML as another process sees it, against the ledger of the processes that use the devices."""

from __future__ import annotations

import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pytest
from bare import BARE, Monitor, Program
from node import profile, variables

from emulator.ledger import Records, busy_ns, read_trace

# The share of each period for which each device is held; the last one is held throughout.
DUTIES = (0.05, 0.2, 0.4, 0.6, 0.8, 0.95, 1.0)
IDLE_DEVICE = 7
PERIOD_MS, PERIODS, WINDOW_MS = 10, 300, 50.0
IDLE_W, FULL_W, MEMORY_MIB = 50.0, 300.0, 4096
GPU_IDLE = 1  # nvmlClocksEventReasonGpuIdle

CYCLES = """
import json, sys, time, torch
duties, period_ms, periods = json.loads(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
cycles = int(1e6 * period_ms)  # at 1 GHz
held = [torch.empty(64 << 20, dtype=torch.uint8, device=0), torch.empty(1 << 20, dtype=torch.uint8, device=1)]
properties = [torch.cuda.get_device_properties(each) for each in range(torch.cuda.device_count())]
print(json.dumps({
    "identities": [[str(each.uuid), each.pci_bus_id, each.name, each.total_memory] for each in properties],
    "reserved": [torch.cuda.memory_reserved(0), torch.cuda.memory_reserved(1)],
}), flush=True)
sys.stdin.readline()
start = time.monotonic_ns()
for device, duty in enumerate(duties):
    torch.cuda.set_device(device)
    if duty == 1:
        torch.cuda._sleep(cycles * periods)
for period in range(periods):
    for device, duty in enumerate(duties):
        if duty < 1:
            torch.cuda.set_device(device)
            torch.cuda._sleep(int(cycles * duty))
    time.sleep(max(0, (start - time.monotonic_ns()) / 1e9 + (period + 1) * period_ms / 1e3))
print(json.dumps([start, time.monotonic_ns()]), flush=True)
sys.stdin.readline()
"""

HOLD = """
status, at = allocate(int(sys.argv[1]))
assert status == 0
say(os.getpid())
for line in sys.stdin:
    work(at, float(line))
    say(time.monotonic_ns())
"""


@dataclass(frozen=True)
class Cycled:
    """One process that held its devices by duty cycles, while another one looked at them."""

    pid: int
    known: dict[str, Any]
    before: list[dict[str, Any]]
    looks: list[list[dict[str, Any]]]  # one of every device each time
    begin: int
    end: int
    created: int  # the node, from which on the windows are counted
    ledger: Records

    def steady(self, device: int) -> list[dict[str, Any]]:
        """What was seen once the windows held nothing but cycles."""
        lag = 2 * int(WINDOW_MS * 1e6)
        return [look[device] for look in self.looks if self.begin + lag < look[device]["at_ns"] < self.end]

    def busy(self, device: int, begin: int, end: int) -> int:
        return busy_ns(self.ledger[self.ledger["device"] == device], begin, end)


@pytest.fixture(scope="module")
def cycled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cycled]:
    folder = tmp_path_factory.mktemp("cycles")
    environment = variables(folder, profile(utilization_window_ms=WINDOW_MS), EMULATOR_TRACE=str(folder))
    with (
        Monitor(environment) as monitor,
        Program(CYCLES, environment, str(list(DUTIES)), str(PERIOD_MS), str(PERIODS)) as worker,
    ):
        known = worker.hears()
        before = [monitor.look(device) for device in range(8)]
        worker.tell()
        looks = []
        until = time.monotonic() + 1e-3 * PERIOD_MS * PERIODS
        while time.monotonic() < until:
            looks.append([monitor.look(device) for device in range(8)])
            time.sleep(0.02)
        begin, end = worker.hears()
        worker.tell()
        worker.end()
        # On a crowded host the last periods come when the device that is held throughout has ended.
        end = min(end, begin + PERIOD_MS * PERIODS * 1_000_000)
        # struct Node of node.h: a number that marks it, then when it was made.
        with Path(environment["EMULATOR_NODE"]).open("rb") as node:
            _, created = struct.unpack("<QQ", node.read(16))
        yield Cycled(worker.pid, known, before, looks, begin, end, created, read_trace(folder))


@pytest.fixture
def node_environment(tmp_path: Path) -> dict[str, str]:
    return variables(tmp_path, profile(utilization_window_ms=WINDOW_MS))


@pytest.mark.parametrize("device", range(len(DUTIES)))
def test_utilisation_is_that_of_the_ledger_within_3_points(cycled: Cycled, device: int) -> None:
    seen = cycled.steady(device)
    assert len(seen) > 10
    window = int(WINDOW_MS * 1e6)
    off, shares = [], []
    for look in seen:
        end = look["at_ns"] - (look["at_ns"] - cycled.created) % window
        shares.append(100 * cycled.busy(device, end - window, end) / window)
        off.append(abs(look["utilization"] - shares[-1]))
    # Now and then a window ends between the question and the clock.
    assert np.quantile(off, 0.75) < 3
    assert np.mean(off) < 3
    # A crowded host starts periods late, which makes the share of a hold smaller or moves it.
    assert 20 * DUTIES[device] < median(shares) < 120 * DUTIES[device] + 1


def test_power_lies_between_idle_and_full_by_utilisation(cycled: Cycled) -> None:
    for device in range(len(DUTIES)):
        off = [
            look["power_mw"] / 1e3 - IDLE_W - look["utilization"] / 100 * (FULL_W - IDLE_W)
            for look in cycled.steady(device)
        ]
        # Rounding of the utilisation; now and then a window ends between the two questions.
        assert median(np.abs(off)) < 2
    assert {look["power_mw"] for look in cycled.steady(IDLE_DEVICE)} == {1e3 * IDLE_W}
    assert {look["power_mw"] for look in cycled.steady(len(DUTIES) - 1)} == {1e3 * FULL_W}


def test_energy_is_that_of_busy_and_idle_time(cycled: Cycled) -> None:
    for device in range(8):
        first, last = cycled.steady(device)[0], cycled.steady(device)[-1]
        begin, end = first["at_ns"], last["at_ns"]
        busy = cycled.busy(device, begin, end)
        true = (IDLE_W * (end - begin) + (FULL_W - IDLE_W) * busy) / 1e6
        assert last["energy_mj"] - first["energy_mj"] == pytest.approx(true, rel=0.02)


def test_energy_never_goes_back(cycled: Cycled) -> None:
    for device in range(8):
        energies = [look[device]["energy_mj"] for look in cycled.looks]
        assert energies == sorted(energies)


def test_memory_is_what_the_process_reserved(cycled: Cycled) -> None:
    assert [look["memory"] for look in cycled.before[:2]] == cycled.known["reserved"]
    assert {look["total"] for look in cycled.before} == {MEMORY_MIB << 20}
    assert cycled.before[IDLE_DEVICE]["memory"] == 0


def test_a_process_is_listed_on_the_devices_that_it_uses(cycled: Cycled) -> None:
    seen = cycled.looks[-1]
    assert seen[0]["processes"] == [[cycled.pid, cycled.known["reserved"][0]]]
    assert all([pid for pid, _ in look["processes"]] == [cycled.pid] for look in seen[: len(DUTIES)])


def test_devices_have_one_identity_in_cuda_and_nvml(cycled: Cycled) -> None:
    for (uuid, bus, name, total), look in zip(cycled.known["identities"], cycled.before, strict=True):
        assert look["uuid"] == f"GPU-{uuid}"
        assert look["bus"] == bus
        assert look["bus_id"] == f"00000000:{bus:02X}:00.0"
        assert look["name"] == name
        assert look["total"] == total
    assert len({look["uuid"] for look in cycled.before}) == 8


def test_a_device_without_work_is_idle_at_its_clock(cycled: Cycled) -> None:
    assert {look["reasons"] for look in cycled.steady(IDLE_DEVICE)} == {GPU_IDLE}
    assert {look["reasons"] for look in cycled.steady(3)} == {0}
    assert {look["sm_mhz"] for look in cycled.before} == {1000}


def test_processes_share_a_device_by_turns(node_environment: dict[str, str]) -> None:
    # Holds of a minute: the last window lies within both of them.
    with (
        Monitor(node_environment) as monitor,
        Program(BARE + HOLD, node_environment, "100") as one,
        Program(BARE + HOLD, node_environment, "200") as other,
    ):
        assert [one.hears(), other.hears()] == [one.pid, other.pid]
        look = monitor.look(0)
        assert sorted(look["processes"]) == sorted([[one.pid, 100 << 20], [other.pid, 200 << 20]])
        assert look["memory"] == 300 << 20
        assert look["utilization"] == 0
        for holder in (one, other):
            holder.tell(60e6)
            holder.hears()
        time.sleep(0.25)
        assert monitor.look(0)["utilization"] == 100
        assert monitor.look(1)["utilization"] == 0


def test_a_killed_process_leaves_the_device_idle_and_empty(node_environment: dict[str, str]) -> None:
    with (
        Monitor(node_environment) as monitor,
        Program(BARE + HOLD, node_environment, "100") as holder,
    ):
        holder.hears()
        holder.tell(60e6)  # a minute of work, of which it does a fifth of a second
        holder.hears()
        time.sleep(0.2)
        working = monitor.look(0)
        assert working["utilization"] == 100
        # Not waited for yet: it is dead all the same.
        holder.process.kill()
        time.sleep(0.15)
        for _ in range(2):
            idle = monitor.look(0)
            assert (idle["memory"], idle["processes"]) == (0, [])
            time.sleep(2e-3 * WINDOW_MS)
        first = monitor.look(0)
        time.sleep(0.3)
        last = monitor.look(0)
        assert working["energy_mj"] <= idle["energy_mj"] <= first["energy_mj"]
        assert (first["utilization"], last["power_mw"]) == (0, 1e3 * IDLE_W)
        # The counter was read between the two stamps of a look; it counts whole millijoules.
        least, most = (
            IDLE_W * (last[one] - first[other]) / 1e6
            for one, other in (("before_ns", "at_ns"), ("at_ns", "before_ns"))
        )
        assert least - 1 <= last["energy_mj"] - first["energy_mj"] <= most + 1


def test_what_a_process_did_before_it_ended_still_shows_in_its_window(
    node_environment: dict[str, str],
) -> None:
    long = variables(Path(node_environment["EMULATOR_NODE"]).parent, profile(utilization_window_ms=1000.0))
    with Monitor(long) as monitor:
        monitor.look(0)
        with Program(BARE + HOLD, long, "100") as holder:
            holder.hears()
            holder.tell(200_000)
            holder.hears()
            time.sleep(0.2)
        # The window it ran in ends within a second; its part of it, a fifth or less, is seen in that second.
        seen = []
        for _ in range(25):
            seen.append(monitor.look(0)["utilization"])
            time.sleep(0.08)
        assert 0 < max(seen) <= 25
