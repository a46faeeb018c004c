"""The sampler on the emulated node, through unmodified pynvml, held against the ledger while ranks run."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bare import BARE, Program
from node import profile, variables
from running import command, environment, wait_until

from emulator.ledger import Records, busy_ns, read_trace
from harness.monitor import start
from harness.plan.config import MonitorConfig

WINDOW_MS, PHASE_S, PERIOD_MS = 50.0, 3.0, 10
IDLE_W, FULL_W = 50.0, 300.0
UUID = "GPU-656d756c-6174-6564-0000-{:012x}"

# Each rank sees four devices of eight, in an order of its own: by number and by UUID.
VISIBLE = ("6,1,4,3", ",".join(UUID.format(n) for n in (7, 0, 2, 5)))
# Shares of each period in which each device of each rank is busy, phase by phase.
PHASES = (
    ((0.01, 0.03, 0.05, 0.10), (0.15, 0.20, 0.25, 0.30)),
    ((0.40, 0.50, 0.60, 0.70), (0.80, 0.90, 0.97, 1.00)),
)

RANK = """
import json, sys, time, torch
from harness.devices.opening import open_device
period_ms, cycles_ms = int(sys.argv[1]), 1_000_000  # at 1 GHz
devices = [open_device("emulated", each) for each in range(torch.cuda.device_count())]
print(json.dumps([device.identity() for device in devices]), flush=True)
for line in sys.stdin:
    duties, seconds = json.loads(line)
    start, periods = time.monotonic_ns(), int(1e3 * seconds / period_ms)
    for device, duty in zip(devices, duties):
        if duty == 1:
            with device.active():
                torch.cuda._sleep(cycles_ms * period_ms * periods)
    for period in range(periods):
        for device, duty in zip(devices, duties):
            if duty < 1:
                with device.active():
                    torch.cuda._sleep(int(cycles_ms * period_ms * duty))
        time.sleep(max(0, (start - time.monotonic_ns()) / 1e9 + (period + 1) * period_ms / 1e3))
    print(json.dumps([start, start + int(1e6 * period_ms * periods)]), flush=True)
"""


@dataclass(frozen=True)
class Point:
    """A device in a phase: which one its rank meant, and when."""

    uuid: str
    duty: float
    begin: int
    end: int


@dataclass(frozen=True)
class Watched:
    """Two ranks that kept eight devices busy to known degrees, and what the sampler wrote meanwhile."""

    identities: list[list[dict[str, str]]]
    points: list[Point]
    pids: list[int]
    lines: list[dict[str, Any]]
    beside: list[dict[str, Any]]  # of a sampler to which the second rank is a stranger
    ledger: Records

    @property
    def devices(self) -> list[dict[str, Any]]:
        return list(self.lines[0]["devices"])

    def samples(self, point: Point) -> list[tuple[int, dict[str, Any]]]:
        """When and what of the point's device, once NVML's windows hold nothing but the point."""
        place = [device["uuid"] for device in self.devices].index(point.uuid)
        lag = 2 * int(1e6 * WINDOW_MS)
        return [
            (line["t_ns"], line["devices"][place])
            for line in self.lines
            # What is read long after the moment it bears is of another moment: a crowded host.
            if line["type"] == "sample"
            and point.begin + lag < line["t_ns"] < point.end
            and line["took_ns"] < 10_000_000
        ]

    def busy(self, point: Point, begin: int, end: int) -> int:
        """True nanoseconds in which the point's device worked."""
        number = int(point.uuid[-2:], 16)
        return busy_ns(self.ledger[self.ledger["device"] == number], begin, end)


def read(out: Path) -> list[dict[str, Any]]:
    """Its lines so far; a last one without its end is being written."""
    return [
        json.loads(line)
        for line in out.read_text(encoding="utf-8").splitlines(keepends=True)
        if line.endswith("\n")
    ]


def sampled(out: Path) -> list[dict[str, Any]]:
    return [line for line in read(out) if line["type"] == "sample"]


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    folder = tmp_path_factory.mktemp("watched")
    environment = variables(folder, profile(utilization_window_ms=WINDOW_MS), EMULATOR_TRACE=str(folder))
    ranks = [
        Program(RANK, {**environment, "CUDA_VISIBLE_DEVICES": seen, "RANK": str(rank)}, str(PERIOD_MS))
        for rank, seen in enumerate(VISIBLE)
    ]
    with ranks[0], ranks[1], start(folder, MonitorConfig(), environment) as sampler:
        identities = [rank.hears() for rank in ranks]
        # A sweep that consists of the first rank alone: to it, the second one is somebody else.
        spec = {"out": str(folder / "beside.jsonl"), "node": 0, "hz": 5, "parent_pid": ranks[0].pid}
        beside = subprocess.Popen(
            [sys.executable, "-m", "harness.monitor", json.dumps(spec)], env=environment
        )
        points = []
        for phase in PHASES:
            for rank, duties in zip(ranks, phase, strict=True):
                rank.tell(json.dumps([duties, PHASE_S]))
            for rank, duties, known in zip(ranks, phase, identities, strict=True):
                begin, end = rank.hears()
                points += [
                    Point(each["uuid"], duty, begin, end) for each, duty in zip(known, duties, strict=True)
                ]
        beside.send_signal(signal.SIGTERM)
        assert beside.wait(30) == 0
        sampler.stop()
        pids = [rank.pid for rank in ranks]
        for rank in ranks:
            rank.end()
    lines, others = read(sampler.out), read(folder / "beside.jsonl")
    yield Watched(identities, points, pids, lines, others, read_trace(folder))


@pytest.mark.long
def test_ranks_and_sampler_mean_the_same_devices_by_uuid_and_by_pci_id(watched: Watched) -> None:
    sampled = {device["uuid"]: device["pci"] for device in watched.devices}
    known = {each["uuid"]: each["pci"] for rank in watched.identities for each in rank}
    assert known == sampled
    assert len(sampled) == 8


def test_the_points_reach_from_idle_to_always_busy(watched: Watched) -> None:
    shares = sorted(watched.busy(p, p.begin, p.end) / (p.end - p.begin) for p in watched.points)
    assert len(shares) == 16
    assert shares[0] < 0.02
    assert shares[-1] > 0.97


def test_utilisation_is_the_ledgers_within_3_points(watched: Watched) -> None:
    for point in watched.points:
        seen = [(t, sample["util"]) for t, sample in watched.samples(point) if "util" in sample]
        assert len(seen) > 20, point
        # What NVML shows is of a window that has just ended.
        lag = int(1.5e6 * WINDOW_MS)
        begin, end = seen[0][0] - lag, seen[-1][0] - lag
        true = 100 * watched.busy(point, begin, end) / (end - begin)
        assert np.mean([util for _, util in seen]) == pytest.approx(true, abs=3), point


def test_energy_is_the_ledgers_within_2_percent(watched: Watched) -> None:
    for point in watched.points:
        seen = [(t, sample["energy_j"]) for t, sample in watched.samples(point) if "energy_j" in sample]
        (begin, first), (end, last) = seen[0], seen[-1]
        true = (IDLE_W * (end - begin) + (FULL_W - IDLE_W) * watched.busy(point, begin, end)) / 1e9
        assert last - first == pytest.approx(true, rel=0.02), point


def test_power_is_that_of_the_utilisation(watched: Watched) -> None:
    for point in watched.points:
        seen = [sample for _, sample in watched.samples(point)]
        power = np.mean([sample["power_w"] for sample in seen if "power_w" in sample])
        util = np.mean([sample["util"] for sample in seen if "util" in sample])
        assert power == pytest.approx(IDLE_W + (FULL_W - IDLE_W) * util / 100, abs=0.03 * FULL_W), point


def test_ranks_are_no_others_and_a_stranger_is(watched: Watched) -> None:
    def others(lines: list[dict[str, Any]]) -> dict[str, set[int]]:
        found: dict[str, set[int]] = {device["uuid"]: set() for device in lines[0]["devices"]}
        for line in lines:
            if line["type"] == "sample":
                for uuid, sample in zip(found, line["devices"], strict=True):
                    found[uuid] |= set(sample.get("others", []))
        return found

    assert set().union(*others(watched.lines).values()) == set()
    strangers = others(watched.beside)
    assert {uuid for uuid, pids in strangers.items() if pids} == {
        each["uuid"] for each in watched.identities[1]
    }
    assert set().union(*strangers.values()) == {watched.pids[1]}


def test_ranks_are_sampled_with_their_processor_time(watched: Watched) -> None:
    samples = [line for line in watched.lines if line["type"] == "sample"]
    seen = [line["host"]["ranks"] for line in samples if "ranks" in line["host"]]
    for rank, pid in enumerate(watched.pids):
        used = [each[str(pid)]["cpu_s"] for each in seen if str(pid) in each]
        assert used[-1] > used[0]
        assert used == sorted(used)
        assert {each[str(pid)]["rank"] for each in seen if str(pid) in each} == {rank}


def test_what_the_stand_in_does_not_have_is_said(watched: Watched) -> None:
    for device in watched.devices:
        assert device["unsupported"].keys() == {"temperature", "pcie", "gpm"}
        assert (device["mig"], device["gpm"], device["energy_counter"]) == (False, False, True)
        assert device["power_limit_w"] == FULL_W
    assert {line["errors"] for line in watched.lines if line["type"] == "end"} == {0}


@pytest.fixture
def on_node(tmp_path: Path) -> Callable[..., dict[str, str]]:
    def made(**more: str) -> dict[str, str]:
        return variables(tmp_path, profile(utilization_window_ms=WINDOW_MS), **more)

    return made


@pytest.mark.parametrize(
    "hidden",
    [
        {"CUDA_VISIBLE_DEVICES": ""},
        {"CUDA_VISIBLE_DEVICES": "5,2"},
        {"CUDA_VISIBLE_DEVICES": UUID.format(7), "CUDA_DEVICE_ORDER": "PCI_BUS_ID"},
        {"CUDA_DEVICE_ORDER": "FASTEST_FIRST", "NVIDIA_VISIBLE_DEVICES": "void"},
    ],
    ids=["none", "reordered", "one by UUID", "fastest first"],
)
def test_what_is_hidden_from_ranks_is_sampled_all_the_same(
    on_node: Callable[..., dict[str, str]], tmp_path: Path, hidden: dict[str, str]
) -> None:
    with start(tmp_path, MonitorConfig(), on_node(**hidden)) as sampler:
        wait_until(lambda: sampled(sampler.out), "a sample")
    assert [device["uuid"] for device in read(sampler.out)[0]["devices"]] == [
        UUID.format(n) for n in range(8)
    ]


def test_a_device_lost_in_mid_run_is_null_and_the_others_go_on(
    on_node: Callable[..., dict[str, str]], tmp_path: Path
) -> None:
    losing = """
library.cudaSetDevice(2)
status, at = allocate(1)
say(os.getpid())
for line in sys.stdin:
    work(at, 10)
    say(0)
"""
    environment = on_node(EMULATOR_FAULTS="lost:device=2")
    with (
        start(tmp_path, MonitorConfig(), environment) as sampler,
        Program(BARE + losing, environment) as worker,
    ):
        worker.hears()
        wait_until(lambda: len(sampled(sampler.out)) > 2, "samples")
        worker.tell()
        worker.hears()
        wait_until(lambda: sampled(sampler.out)[-1]["devices"][2] is None, "the device's loss")
        count = len(sampled(sampler.out))
        wait_until(lambda: len(sampled(sampler.out)) > count + 10, "samples after it")
    after = sampled(sampler.out)[count:]
    assert all(line["devices"][2] is None for line in after)
    assert all(line["devices"][n] for line in after for n in range(8) if n != 2)
    (event,) = [line for line in read(sampler.out) if line["type"] == "event"]
    assert (event["what"], event["device"]) == ("lost", UUID.format(2))
    assert "GPU is lost" in event["detail"]


def test_the_sampler_makes_no_context_on_any_device(
    on_node: Callable[..., dict[str, str]], tmp_path: Path
) -> None:
    ask = "import pynvml as n; n.nvmlInit(); d = [n.nvmlDeviceGetHandleByIndex(i) for i in range(8)]; " + (
        "print([p.pid for e in d for p in n.nvmlDeviceGetComputeRunningProcesses(e)])"
    )
    environment = on_node()
    with start(tmp_path, MonitorConfig(), environment) as sampler:
        wait_until(lambda: len(sampled(sampler.out)) > 2, "samples")
        done = subprocess.run([sys.executable, "-c", ask], env=environment, capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr


def test_a_node_without_a_profile_is_a_node_without_nvml(
    on_node: Callable[..., dict[str, str]], tmp_path: Path
) -> None:
    environment = {name: value for name, value in on_node().items() if name != "EMULATOR_PROFILE"}
    with start(tmp_path, MonitorConfig(), environment) as sampler:
        wait_until(lambda: len(sampled(sampler.out)) > 2, "samples of the host")
        assert sampler.why is None
    node = read(sampler.out)[0]
    assert (node["nvml"], node["devices"]) == (None, [])
    assert "Driver Not Loaded" in node["why"]


def test_doctor_shows_each_device_as_nvml_does(on_node: Callable[..., dict[str, str]]) -> None:
    done = subprocess.run(
        command("doctor"), env={**environment(), **on_node()}, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert all(UUID.format(n) in done.stdout for n in range(8))
    said = " ".join(done.stdout.split())  # however wide the terminal is
    assert said.count("power limit 300 W") == 8
    assert said.count("used by nobody else") == 8
