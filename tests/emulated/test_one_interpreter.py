"""One interpreter and eight emulated devices: what saturates, what does not, and that the figures are the ledger's."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from statistics import mean, median
from typing import Any

import pandas as pd
import pytest
from node import load_profile, require_node
from running import command, environment

from emulator.ledger import Records, needed_ns, read_trace
from harness.analysis.run import load_run
from harness.report.findings import findings

pytestmark = pytest.mark.long

DEVICES = 8
PROFILE = load_profile("v100x8")
MODES = ("eager", "script", "cudagraph", "native")
CONTROLLERS = ("threads", "loop")


@dataclass(frozen=True)
class Swept:
    points: pd.DataFrame
    blocks: dict[str, list[dict[str, Any]]]
    prepared: dict[str, dict[str, Any]]
    ledger: list[Records]  # of each device

    def throughput(self, controller: str, mode: str, devices: int) -> float:
        points = self.points
        row = points[
            (points["controller"] == controller) & (points["mode"] == mode) & (points["devices"] == devices)
        ]
        return float(row["throughput_samples_s"].iloc[0])

    def gain(self, controller: str, mode: str) -> float:
        """Throughput on all devices over that on one."""
        return self.throughput(controller, mode, DEVICES) / self.throughput(controller, mode, 1)


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> Swept:
    require_node()
    folder = tmp_path_factory.mktemp("controllers")
    (folder / "trace").mkdir()
    done = subprocess.run(
        command(
            *("sweep", "depth=[16]", "width=[64]", "batch=[1]", f"devices=[1,{DEVICES}]", "device=emulated"),
            *(f"mode=[{','.join(MODES)}]", f"controller=[{','.join(CONTROLLERS)}]", f"out={folder / 'run'}"),
            *(
                *("timing.sessions=1", "timing.max_sessions=1", "timing.builds=1", "timing.rounds=8"),
                "timing.block_ms=2",
                "monitor=ranks",
            ),
        ),
        env={**environment(), "EMULATOR_NODE": str(folder / "node"), "EMULATOR_TRACE": str(folder / "trace")},
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    blocks: dict[str, list[dict[str, Any]]] = {}
    prepared: dict[str, dict[str, Any]] = {}
    for path in (folder / "run" / "raw").glob("*-rank0.jsonl"):
        for record in map(json.loads, path.read_text().splitlines()):
            if record["type"] == "prepared":
                prepared[record["key"]] = record
            for block in record.get("blocks", []):
                blocks.setdefault(block["key"], []).append(block)
    ledger = read_trace(folder / "trace")
    of_devices = [ledger[ledger["device"] == device] for device in range(DEVICES)]
    return Swept(load_run(folder / "run").points, blocks, prepared, of_devices)


def test_every_point_was_measured_by_one_process(swept: Swept) -> None:
    assert len(swept.points) == len(MODES) * len(CONTROLLERS) * 2
    assert set(swept.points["status"]) == {"ok"}


def test_one_interpreter_does_not_feed_eight_devices(swept: Swept) -> None:
    assert swept.gain("loop", "eager") <= 2
    assert swept.gain("threads", "eager") <= 2


def test_graphs_keep_scaling_under_one_thread(swept: Swept) -> None:
    assert swept.gain("loop", "cudagraph") >= 4


def test_what_leaves_python_for_c_plus_plus_lies_between(swept: Swept) -> None:
    for mode in ("script", "native"):
        own = swept.throughput("loop", mode, DEVICES)
        assert (
            swept.throughput("loop", "eager", DEVICES) < own < swept.throughput("loop", "cudagraph", DEVICES)
        )


def work(swept: Swept, block: dict[str, Any], device: int) -> int:
    """Nanoseconds that the device needs for the block's work, as the ledger has it."""
    start, end = block["start_ns"], block["end_ns"]
    of_device = swept.ledger[device]
    near = of_device[(of_device["end"] > start) & (of_device["start"] < end)]
    return needed_ns(near, start, end, int(PROFILE.queued_gap_us * 1000))


def test_device_time_and_dispatch_share_are_the_ledgers_of_every_device(swept: Swept) -> None:
    for point in swept.points.itertuples():
        blocks = swept.blocks[point.key]
        for device in range(point.devices):
            of_step = median(work(swept, block, device) / block["steps"] for block in blocks) / 1e3
            assert point.device_us == pytest.approx(of_step, rel=0.02), (point, device)
        share = median(
            mean(work(swept, block, device) for device in range(point.devices))
            / (block["end_ns"] - block["start_ns"])
            for block in blocks
        )
        assert 1 - point.dispatch_share == pytest.approx(share, abs=0.03), point


def test_no_device_worked_that_was_not_asked_to(swept: Swept) -> None:
    for point in swept.points[swept.points["devices"] == 1].itertuples():
        assert not any(work(swept, block, 1) for block in swept.blocks[point.key])


def test_launches_are_counted_and_the_replay_agrees_with_device_time(swept: Swept) -> None:
    # 16 matrix products and 15 activations; a graph of them is one launch.
    for point in swept.points.itertuples():
        assert point.launches == (1 if point.mode == "cudagraph" else 31), point
        # Within a graph gaps are shorter than in a stream.
        shorter = 0 if point.mode == "cudagraph" else 30 * (PROFILE.queued_gap_us - PROFILE.graph_gap_us)
        assert point.replay_us == pytest.approx(point.device_us - shorter, rel=0.02), point
        assert "replay_differs" not in point.warnings


def test_bursts_fit_the_launch_queue(swept: Swept) -> None:
    # A crowded host may disturb single points; a burst that does not fit shows at all points of a mode.
    for mode, points in swept.points.groupby("mode"):
        assert not points["warnings"].str.contains("back_pressure").all(), mode


def test_the_report_says_what_saturates(swept: Swept) -> None:
    said = " ".join(findings(swept.points))
    assert "loop" in said and "eager" in said
