"""Whatever became of the sampler, the devices or the file, points stay what they are."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from points_of_samples import empty, loaded, notes, row
from raw_runs import RawRun, cell_of, seconds_of
from sampled_runs import GPUS, Sampler, sampled_run, steady

from harness.analysis.run import load_run
from harness.analysis.sampled.samples import read_samples


@pytest.fixture
def at(tmp_path: Path) -> Path:
    return tmp_path / "run"


class TestDegraded:
    def test_without_a_file_the_columns_are_empty_and_the_reason_is_given(self, at: Path) -> None:
        raw = sampled_run(at, {0: steady()}, sampler=False)
        assert empty(raw)
        assert notes(raw) == "Utilisation was not sampled on host here: no sampler ran there."

    def test_a_cpu_run_without_sampler_needs_no_reason(self, at: Path) -> None:
        raw = RawRun(at)
        raw.plan(cell_of())
        raw.session("s", [cell_of()])
        assert loaded(raw).notes == ()

    def test_without_nvml_the_report_says_so_once(self, at: Path) -> None:
        raw = sampled_run(at, {}, why="no NVML: the library is not there")
        assert empty(raw)
        assert notes(raw) == "Utilisation was not sampled on host here: no NVML: the library is not there."

    def test_what_a_device_does_not_support_leaves_the_rest(self, at: Path) -> None:
        about = {0: {"unsupported": {"utilization": "not supported"}}}
        raw = sampled_run(at, {0: steady(util=None)}, about=about)  # type: ignore[arg-type]
        assert math.isnan(row(raw)["util_mean_pct"])
        assert row(raw)["power_mean_w"] == pytest.approx(200.0)
        assert f"On host here utilization is not sampled on device {GPUS[0]}: not supported." in notes(raw)

    def test_a_lost_device_empties_what_needs_it_and_is_told(self, at: Path) -> None:
        raw = sampled_run(at, {0: steady()}, drives=((0,), (1,)), sampler=False)
        first, turn = raw.now_ns - 3 * 10**9, raw.now_ns - 10**9
        sampler = Sampler(at, (0, 1))
        sampler.sample(first, raw.now_ns, {0: steady(), 1: lambda t: steady()(t) if t <= turn else None})
        sampler.write("event", t_ns=turn, device=GPUS[1], what="lost", detail="fell off the bus")
        assert row(raw)["util_mean_pct"] == 50.0
        assert math.isnan(row(raw, "script")["util_mean_pct"])
        assert f"Device {GPUS[1]} on host here was lost 2.0 s after its sampler started" in notes(raw)
        assert "1 point has neither utilisation nor power" in notes(raw)

    def test_a_device_that_the_sampler_does_not_see_is_named(self, at: Path) -> None:
        raw = sampled_run(at, {1: steady()})
        assert empty(raw)
        assert f"2 points have no utilisation: device {GPUS[0]} is not among those sampled" in notes(raw)

    def test_a_sampler_that_died_before_leaves_the_rest_empty(self, at: Path) -> None:
        raw = sampled_run(at, {0: steady()}, sampler=False)
        Sampler(at).sample(raw.now_ns - 3 * 10**9, raw.now_ns - 10**9 - 1, {0: steady()})
        assert row(raw)["util_mean_pct"] == 50.0
        assert math.isnan(row(raw, "script")["util_mean_pct"])
        assert "1 point has no utilisation: the sampler on host here has no samples of that time." in notes(
            raw
        )

    def test_slow_calls_and_refusals_are_counted(self, at: Path) -> None:
        raw = sampled_run(at, {0: steady()})
        sampler = Sampler(at, node=1, host="here")
        for _ in range(3):
            sampler.write("event", t_ns=1, device=None, what="slow", detail="power: 300 ms")
        sampler.write("event", t_ns=1, device=GPUS[0], what="denied", detail="processes: no permission")
        assert "3 NVML calls took over 250 ms on host here." in notes(raw)
        assert "Sampling was denied on host here (1 time): processes: no permission." in notes(raw)
        sampler.write("end", t_ns=2, samples=0, slow_calls=1, errors=0, cpu_s=0.1, wall_s=10.0)
        assert "1 NVML call took over 250 ms on host here." in notes(raw)

    @pytest.mark.parametrize("ended", [True, False])
    def test_a_sampler_on_the_ranks_cores_is_told_with_its_share(self, at: Path, ended: bool) -> None:
        raw = RawRun(at, cores=2)
        raw.plan(cell_of(devices=2))
        raw.session("s", [cell_of(devices=2)], ranks=2)
        sampler = Sampler(at, (), cores=2)
        if ended:
            sampler.write("end", t_ns=2, cpu_s=0.2, wall_s=10.0)
        used = "it used 2.0 % of one" if ended else "how much it used is not known"
        assert (
            f"The sampler shares the 2 cores of host here with what is measured (up to 2 issuing threads x 1 "
            f"intra-op): {used}." in notes(raw)
        )

    def test_a_sampler_with_cores_to_spare_is_not_mentioned(self, at: Path) -> None:
        assert "shares" not in notes(sampled_run(at, {0: steady()}))


class TestFiles:
    def test_after_a_resumption_positions_are_those_of_the_new_line(self, at: Path) -> None:
        raw = sampled_run(at, {0: steady()}, sampler=False)
        turn = raw.now_ns - 10**9
        says = {0: steady(90.0), 1: steady(10.0)}
        Sampler(at, (0, 1)).sample(raw.now_ns - 3 * 10**9, turn, says)
        Sampler(at, (1, 0)).sample(turn + 1, raw.now_ns, says)
        assert row(raw)["util_mean_pct"] == row(raw, "script")["util_mean_pct"] == 90.0

    def test_after_a_reboot_one_clock_does_not_stand_for_the_other(self, at: Path) -> None:
        raw = sampled_run(at, {0: steady()})
        Sampler(at).sample(0, raw.now_ns + 10**9, {0: steady(10.0)})
        assert empty(raw)
        assert "2 points have no utilisation: two samplers on host here have samples of that time." in notes(
            raw
        )

    def test_torn_and_foreign_lines_are_skipped_and_counted(self, at: Path) -> None:
        raw = sampled_run(at, {0: steady()})
        path = at / "monitor" / "node-0.jsonl"
        with path.open("ab") as file:
            file.write(
                b'{"type":"sample","t_ns":"now","devices":[]}\n[1]\n{"type":"sample","t_ns":1,"devices":[]}\n'
            )
            file.write(b'\xff\xfe\n{"type":"sample","t_ns":12')
        assert row(raw)["util_mean_pct"] == 50.0
        assert "5 lines of samples were skipped (1 binary, 3 not records of this harness, 1 cut off" in notes(
            raw
        ).replace("1 binary, 3", "1 binary, 3")

    def test_a_file_that_lost_its_first_line_is_of_no_use_and_no_harm(self, at: Path) -> None:
        raw = sampled_run(at, {0: steady()})
        path = at / "monitor" / "node-0.jsonl"
        path.write_text(path.read_text().split("\n", 1)[1])
        assert empty(raw)
        assert "does not say whose it is" in notes(raw)

    @pytest.mark.parametrize(
        "value", [None, "97", [1], {"a": 1}, True, 10**400, [[1]], {"devices": 1}], ids=repr
    )
    def test_values_that_make_no_sense_break_nothing(self, at: Path, value: Any) -> None:
        sampled_run(at, {0: steady(util=value, power_w=value, energy_j=value, throttle=value, others=value)})
        load_run(at)
        about = {
            0: dict.fromkeys(("uuid", "pci", "name", "others", "unsupported", "utilization_period_ms"), value)
        }
        Sampler(at, about=about, why=value, cores=value, node=2).sample(0, 10**8, {0: steady()})
        load_run(at)

    def test_samples_out_of_order_are_put_in_order(self, at: Path) -> None:
        raw = sampled_run(at, {0: steady()})
        path = at / "monitor" / "node-0.jsonl"
        first, *lines = path.read_text().splitlines()
        path.write_text("\n".join([first, *reversed(lines)]) + "\n")
        assert row(raw)["util_mean_pct"] == 50.0
        assert (read_samples(at).of_samplers[0].t_ns[1:] >= read_samples(at).of_samplers[0].t_ns[:-1]).all()

    def test_time_grows_about_linearly_with_the_number_of_samples(self, tmp_path: Path) -> None:
        """Eight times the samples may take 8 times as long; quadratic growth would take 64 times."""
        for name, seconds in (("small", 50), ("large", 400)):
            (tmp_path / name).mkdir()
            Sampler(tmp_path / name, range(8)).sample(0, seconds * 10**9, dict.fromkeys(range(8), steady()))
        small, large = (
            seconds_of(lambda at=tmp_path / name: read_samples(at)) for name in ("small", "large")
        )
        assert large < 30 * small
