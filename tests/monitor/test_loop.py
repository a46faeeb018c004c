"""The sampling loop: its lines, its schedule, and what it survives."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from faked import FakeNvml

from harness.monitor.loop import SamplingLoop, Spec
from harness.records.lines import Writer

PERIOD_NS = 20_000_000


class Ticks:
    """An ending after so many ticks, which does not wait; before each one, `before` is called."""

    def __init__(self, count: int, before: Callable[[int], None] = lambda left: None) -> None:
        self.left, self.before = count, before

    def within(self, ns: int) -> bool:
        self.left -= 1
        if self.left >= 0:
            self.before(self.left)
        return self.left < 0


class Clock:
    """A clock that moves only when somebody waits, or is late."""

    def __init__(self) -> None:
        self.ns = 0

    def now_ns(self) -> int:
        return self.ns


class TimedTicks(Ticks):
    """An ending that waits as it is told by such a clock, and is then late by what `late_ns` says of the ticks left."""

    def __init__(self, count: int, clock: Clock, late_ns: Callable[[int], int]) -> None:
        def wake_late(left: int) -> None:
            clock.ns += late_ns(left)

        super().__init__(count, wake_late)
        self.clock = clock

    def within(self, ns: int) -> bool:
        self.clock.ns += max(0, ns)
        return super().within(ns)


def stamps(folder: Path, count: int, late_ns: Callable[[int], int]) -> list[int]:
    """When the samples of such ticks were taken, at a period of PERIOD_NS."""
    out, clock = folder / "node-0.jsonl", Clock()
    spec = Spec(str(out), 0, 1e9 / PERIOD_NS, os.getpid())
    SamplingLoop(spec, FakeNvml(1), now_ns=clock.now_ns).run(TimedTicks(count, clock, late_ns))  # type: ignore[arg-type]
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    return [line["t_ns"] for line in lines if line["type"] == "sample"]


def sampled(
    folder: Path, ticks: Ticks, nvml: FakeNvml | None = None, why: str | None = None, hz: float = 20
) -> list[dict[str, Any]]:
    """The lines of a sampler that ran for so many ticks."""
    out = folder / "node-0.jsonl"
    SamplingLoop(Spec(str(out), 0, hz, os.getpid()), nvml, why).run(ticks)  # type: ignore[arg-type]
    return [json.loads(line) for line in out.read_text().splitlines()]


def test_a_file_begins_with_the_node_and_ends_with_what_sampling_cost(tmp_path: Path) -> None:
    lines = sampled(tmp_path, Ticks(5), FakeNvml(2))
    assert [line["type"] for line in lines] == ["node", *["sample"] * 5, "end"]
    node, end = lines[0], lines[-1]
    assert (node["node"], node["nvml"], node["why"], node["hz"]) == (0, "faked", None, 20)
    assert [device["uuid"] for device in node["devices"]] == ["GPU-0", "GPU-1"]
    assert node["devices"][0]["others"] == []
    assert (end["samples"], end["errors"], end["slow_calls"]) == (5, 0, 0)
    assert end["cpu_s"] >= 0 and end["wall_s"] > 0


def test_devices_of_a_sample_stand_in_the_order_of_the_node_line(tmp_path: Path) -> None:
    nvml = FakeNvml(3)
    nvml.lose("GPU-1")
    lines = sampled(tmp_path, Ticks(1), nvml)
    (sample,) = [line for line in lines if line["type"] == "sample"]
    assert [device is None for device in sample["devices"]] == [False, True, False]


def test_without_nvml_the_host_is_sampled_and_the_reason_said(tmp_path: Path) -> None:
    lines = sampled(tmp_path, Ticks(21), why="no NVML: Driver Not Loaded")
    assert (lines[0]["nvml"], lines[0]["why"], lines[0]["devices"]) == (
        None,
        "no NVML: Driver Not Loaded",
        [],
    )
    samples = [line for line in lines if line["type"] == "sample"]
    assert all(sample["devices"] == [] for sample in samples)
    assert any("load" in sample["host"] for sample in samples)


def test_an_nvml_that_knows_no_device_is_said(tmp_path: Path) -> None:
    node = sampled(tmp_path, Ticks(1), FakeNvml(0))[0]
    assert (node["nvml"], node["why"]) == ("faked", "NVML knows no device here")


def test_what_is_refused_at_the_start_stands_behind_the_node_line(tmp_path: Path) -> None:
    nvml = FakeNvml(1)
    nvml.refusals["GPU-0", "power"] = "denied"
    lines = sampled(tmp_path, Ticks(1), nvml)
    assert [line["type"] for line in lines[:2]] == ["node", "event"]
    assert (lines[1]["what"], lines[1]["device"]) == ("denied", "GPU-0")


def test_samples_keep_to_a_schedule_without_drift(tmp_path: Path) -> None:
    # Each comes late, by more and by less; what it is late by does not add up.
    late = [3_000_000 * (left % 5) for left in reversed(range(20))]
    at = stamps(tmp_path, 20, lambda left: late[-1 - left])
    assert at == [tick * PERIOD_NS + late[tick] for tick in range(20)]


def test_ticks_that_were_missed_are_left_out_not_made_up_for(tmp_path: Path) -> None:
    # As over a suspension: the sampler does not take many samples at once afterwards.
    at = stamps(tmp_path, 4, lambda left: PERIOD_NS * 21 // 2 if left == 2 else 0)
    assert at == [0, PERIOD_NS * 23 // 2, PERIOD_NS * 12, PERIOD_NS * 13]


def test_an_error_that_nobody_expected_costs_one_sample(tmp_path: Path) -> None:
    nvml = FakeNvml(1)
    out = tmp_path / "node-0.jsonl"
    # At 2 Hz the host is asked at every tick.
    sampling = SamplingLoop(Spec(str(out), 0, 2, os.getpid()), nvml)

    def fail_once(left: int) -> None:
        sampling.host.use = (lambda ranks: 1 / 0) if left == 2 else (lambda ranks: {})  # type: ignore

    sampling.run(Ticks(4, fail_once))  # type: ignore[arg-type]
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    assert [line["type"] for line in lines] == ["node", "sample", "event", "sample", "sample", "end"]
    assert lines[2]["what"] == "error" and "ZeroDivisionError" in lines[2]["detail"]
    assert lines[-1]["errors"] == 1


def test_a_full_disk_costs_the_samples_that_did_not_fit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = [False]
    out = tmp_path / "node-0.jsonl"
    write = Writer.write

    def refusing(self: Writer, kind: str, **fields: Any) -> None:
        if full[0]:
            with out.open("ab") as file:
                file.write(b'{"type":"sam')
            raise OSError(errno.ENOSPC, "no space left")
        write(self, kind, **fields)

    monkeypatch.setattr(Writer, "write", refusing)

    def before(left: int) -> None:
        full[0] = left in (2, 3)

    sampling = SamplingLoop(Spec(str(out), 0, 20, os.getpid()), FakeNvml(1))
    sampling.run(Ticks(5, before))  # type: ignore[arg-type]
    whole = [json.loads(line) for line in out.read_text().splitlines() if line.endswith("}")]
    assert [line["type"] for line in whole] == ["node", *["sample"] * 3, "end"]
    assert whole[-1]["errors"] == 2


def test_it_ends_when_the_sweep_is_gone(tmp_path: Path) -> None:
    out = tmp_path / "node-0.jsonl"
    # No process has this number, and none can.
    SamplingLoop(Spec(str(out), 0, 20, 2**22 + 1), FakeNvml(1)).run(Ticks(1000))  # type: ignore[arg-type]
    kinds = [json.loads(line)["type"] for line in out.read_text().splitlines()]
    assert kinds == ["node", "sample", "end"]
