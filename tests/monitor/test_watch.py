"""A device under watch: what is asked how often, and that each refusal costs no more than what was refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from faked import FakeNvml

from harness.monitor import watch
from harness.monitor.family import Family
from harness.monitor.readings import Journal, Turns
from harness.monitor.watch import Watched

HZ = 20
SECOND = HZ


class Events(list[dict[str, Any]]):
    """What a journal tells."""

    def __call__(self, kind: str, **fields: Any) -> None:
        self.append(fields)

    def kinds(self) -> list[tuple[str, str]]:
        return [(event["what"], event["detail"].partition(":")[0]) for event in self]


class Bench:
    """All devices of a faked NVML under watch, ticked by hand."""

    def __init__(self, nvml: FakeNvml, proc: Path) -> None:
        self.events = Events()
        self.journal = Journal(self.events)
        family, turns = Family(1, proc), Turns(1 / HZ)
        self.devices = [
            Watched(nvml, found, self.journal, family, turns, 1 / HZ, place)
            for place, found in enumerate(nvml.devices())
        ]
        nvml.calls.clear()
        self._tick = 0

    def ticks(self, count: int) -> list[list[dict[str, Any] | None]]:
        """Samples of all devices at the next ticks."""
        first, self._tick = self._tick, self._tick + count
        return [[device.sample(tick) for device in self.devices] for tick in range(first, self._tick)]


def seen(samples: list[list[dict[str, Any] | None]], device: int = 0) -> set[str]:
    return {key for sample in samples for key in sample[device] or {}}


ALL = {"util", "mem_mib", "sm_mhz", "mem_mhz", "power_w", "energy_j", "temp_c", "throttle", "others"}
PCIE = {"pcie_tx_kb_s", "pcie_rx_kb_s"}


def test_a_device_that_answers_everything_is_sampled_in_full(tmp_path: Path) -> None:
    bench = Bench(FakeNvml(2, gpm=True), tmp_path)
    samples = bench.ticks(2 * SECOND)
    assert seen(samples) == seen(samples, 1) == ALL | PCIE | {"sm_active", "sm_occupancy", "dram_active"}
    assert bench.devices[0].unsupported == {}
    assert bench.events == []


def test_no_value_is_asked_for_more_often_than_it_changes(tmp_path: Path) -> None:
    nvml = FakeNvml(1)
    Bench(nvml, tmp_path).ticks(10 * SECOND)
    # The driver says that utilisation changes every 0.1 s and power every 0.05 s; a tick is 0.05 s.
    assert nvml.calls["GPU-0", "utilization"] == 100
    assert nvml.calls["GPU-0", "power"] == nvml.calls["GPU-0", "energy"] == 200
    assert nvml.calls["GPU-0", "sm_clock"] == 200
    assert nvml.calls["GPU-0", "memory"] == 40
    assert nvml.calls["GPU-0", "temperature"] == nvml.calls["GPU-0", "processes"] == 10


def test_without_the_drivers_word_nvmls_shortest_period_is_taken(tmp_path: Path) -> None:
    nvml = FakeNvml(1)
    nvml.refusals["GPU-0", "periods"] = "unsupported"
    bench = Bench(nvml, tmp_path)
    bench.ticks(10 * SECOND)
    assert bench.devices[0].about()["utilization_period_ms"] == pytest.approx(1000 / 6, abs=0.1)
    assert nvml.calls["GPU-0", "utilization"] == 50  # a sixth of a second is between 3 and 4 ticks
    assert nvml.calls["GPU-0", "power"] == 100


def test_calls_that_hold_the_caller_up_are_made_one_at_a_time(tmp_path: Path) -> None:
    nvml = FakeNvml(8)
    samples = Bench(nvml, tmp_path).ticks(8 * SECOND)
    assert max(sum(len(PCIE & device.keys()) for device in sample if device) for sample in samples) == 1
    # 16 of them, a quarter of a second apart: each twice in 8 seconds.
    assert {nvml.calls[f"GPU-{n}", name] for n in range(8) for name in ("pcie_tx", "pcie_rx")} == {2}


def test_what_changes_slowly_is_not_asked_of_all_devices_at_once(tmp_path: Path) -> None:
    samples = Bench(FakeNvml(8), tmp_path).ticks(SECOND)
    assert max(sum("others" in device for device in sample if device) for sample in samples) == 1


@pytest.mark.parametrize("kind", ["unsupported", "denied"])
def test_what_is_refused_for_good_is_said_and_asked_no_more(tmp_path: Path, kind: Any) -> None:
    nvml = FakeNvml(2)
    nvml.refusals["GPU-0", "energy"] = nvml.refusals["GPU-0", "pcie_tx"] = kind
    bench = Bench(nvml, tmp_path)
    samples = bench.ticks(4 * SECOND)
    assert seen(samples) == ALL - {"energy_j"} | {"pcie_rx_kb_s"}
    assert seen(samples, 1) == ALL | PCIE
    assert nvml.calls["GPU-0", "energy"] == 0
    about = bench.devices[0].about()
    assert (about["energy_counter"], about["unsupported"]["energy"]) == (False, f"{kind} by the test")
    assert bench.events.kinds() == ([("denied", "energy"), ("denied", "pcie_tx")] if kind == "denied" else [])


@pytest.mark.parametrize("kind", ["unsupported", "denied"])
def test_what_is_refused_in_mid_run_is_said_once_and_asked_no_more(tmp_path: Path, kind: Any) -> None:
    nvml = FakeNvml(2)
    bench = Bench(nvml, tmp_path)
    bench.ticks(SECOND)
    nvml.refusals["GPU-0", "utilization"] = kind
    nvml.calls.clear()
    assert seen(bench.ticks(2 * SECOND)) == ALL - {"util"} | PCIE
    assert nvml.calls["GPU-0", "utilization"] == 1
    assert bench.events.kinds() == [("denied" if kind == "denied" else "error", "utilization")]


def test_what_fails_is_asked_ever_more_rarely_until_it_answers(tmp_path: Path) -> None:
    nvml = FakeNvml(1)
    bench = Bench(nvml, tmp_path)
    nvml.refusals["GPU-0", "power"] = "error"
    assert "power_w" not in seen(bench.ticks(32 * SECOND))
    assert nvml.calls["GPU-0", "power"] == 6  # after 0, 1, 3, 7, 15 and 31 seconds
    assert bench.events.kinds() == [("error", "power")]
    assert bench.journal.counted["error"] == 6
    del nvml.refusals["GPU-0", "power"]
    bench.ticks(32 * SECOND)
    nvml.calls.clear()
    assert "power_w" in seen(bench.ticks(SECOND))
    assert nvml.calls["GPU-0", "power"] == 20


def test_a_lost_device_is_null_while_the_others_go_on(tmp_path: Path) -> None:
    nvml = FakeNvml(3)
    bench = Bench(nvml, tmp_path)
    bench.ticks(SECOND)
    nvml.lose("GPU-1")
    nvml.calls.clear()
    samples = bench.ticks(30 * SECOND)
    assert [sample[1] for sample in samples] == [None] * len(samples)
    assert seen(samples, 0) == seen(samples, 2) == ALL | PCIE
    assert bench.events.kinds() == [("lost", "sm_clock")]
    assert bench.events[0]["device"] == "GPU-1"
    # One question that found it lost, and few after that.
    assert sum(count for (uuid, _), count in nvml.calls.items() if uuid == "GPU-1") <= 6


def test_a_device_that_comes_back_is_sampled_again(tmp_path: Path) -> None:
    nvml = FakeNvml(2)
    bench = Bench(nvml, tmp_path)
    nvml.lose("GPU-1")
    bench.ticks(SECOND // 2)
    nvml.refusals.clear()
    assert seen(bench.ticks(3 * SECOND), 1) == ALL | PCIE


def test_a_device_that_is_lost_from_the_start_stands_in_its_place(tmp_path: Path) -> None:
    nvml = FakeNvml(2)
    nvml.lose("GPU-0")
    bench = Bench(nvml, tmp_path)
    (sample,) = bench.ticks(1)
    assert sample[0] is None
    assert sample[1] is not None


def test_a_slow_call_is_counted_each_time_and_said_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "SLOW_CALL_S", 0.002)
    nvml = FakeNvml(1)
    bench = Bench(nvml, tmp_path)
    before = bench.journal.counted["slow"]
    nvml.slow["GPU-0", "power"] = 0.01
    bench.ticks(5)
    assert bench.journal.counted["slow"] - before >= 5
    assert bench.events.kinds().count(("slow", "power")) == 1


def test_a_call_is_slow_beyond_a_quarter_of_a_second() -> None:
    assert watch.SLOW_CALL_S == 0.25


def test_all_of_a_device_being_refused_leaves_an_empty_sample(tmp_path: Path) -> None:
    nvml = FakeNvml(1)
    for function in nvml.answers:
        nvml.refusals["GPU-0", function] = "unsupported"
    bench = Bench(nvml, tmp_path)
    assert seen(bench.ticks(SECOND)) == set()
    about = bench.devices[0].about()
    assert (about["power_limit_w"], about["utilization_period_ms"]) == (None, None)
    assert set(about["unsupported"]) == {
        *("utilization", "memory", "sm_clock", "mem_clock", "power", "energy"),
        *("temperature", "throttle", "pcie", "processes", "gpm"),
    }
