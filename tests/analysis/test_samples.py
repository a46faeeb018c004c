"""Samples to points: by host, UUID and time, whatever became of the sampler, the devices or the file."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Any

import pytest
from raw_runs import RawRun, cell_of, key_of, seconds_of
from sampled_runs import GPUS, PERIOD_NS, Sampler, identity, sampled_run, steady

from harness.analysis.run import Run, load_run
from harness.analysis.sampled.samples import read_samples, same_device

COLUMNS = ("util_mean_pct", "sm_active_pct", "power_mean_w", "energy_mj_per_sample")


@pytest.fixture
def at(tmp_path: Path) -> Path:
    return tmp_path / "run"


def loaded(raw: RawRun) -> Run:
    return load_run(raw.directory)


def row(raw: RawRun, mode: str = "eager") -> Any:
    return loaded(raw).points.set_index("mode").loc[mode]


def warnings(raw: RawRun, mode: str = "eager") -> set[str]:
    return set(row(raw, mode)["warnings"].split(";")) - {""}


def notes(raw: RawRun) -> str:
    return "\n".join(loaded(raw).notes)


def empty(raw: RawRun) -> bool:
    return bool(loaded(raw).points[list(COLUMNS)].isna().all(axis=None))


class TestColumns:
    def test_known_samples_give_exactly_what_the_columns_are_defined_to_be(self, at: Path) -> None:
        found = row(sampled_run(at, {0: steady(50.0, 200.0, sm_active=30.0)}))
        assert [found[name] for name in COLUMNS[:3]] == pytest.approx([50.0, 30.0, 200.0])
        # 200 W for 1 s, 1,000 steps of 10 samples.
        assert found["energy_mj_per_sample"] == pytest.approx(200 / 10_000 * 1e3)

    def test_power_is_a_devices_mean_and_energy_all_devices_sum(self, at: Path) -> None:
        says = {0: steady(100.0, 300.0), 1: steady(50.0, 100.0)}
        found = row(sampled_run(at, says, drives=((0,), (1,))))
        assert (found["util_mean_pct"], found["power_mean_w"]) == pytest.approx((75.0, 200.0))
        assert found["energy_mj_per_sample"] == pytest.approx(400 / 20_000 * 1e3)

    def test_one_process_with_many_devices_counts_its_steps_on_each(self, at: Path) -> None:
        cells = [cell_of(devices=2, controller="threads")]
        says = {0: steady(100.0, 300.0), 1: steady(50.0, 100.0)}
        found = row(sampled_run(at, says, cells=cells, drives=((0, 1),)))
        assert found["power_mean_w"] == pytest.approx(200.0)
        assert found["energy_mj_per_sample"] == pytest.approx(400 / 20_000 * 1e3)

    def test_under_strong_scaling_a_step_has_the_batch_in_all(self, at: Path) -> None:
        cells = [cell_of(devices=2, scaling="strong")]
        says = {0: steady(watts=100.0), 1: steady(watts=100.0)}
        found = row(sampled_run(at, says, cells=cells, drives=((0,), (1,))))
        assert found["energy_mj_per_sample"] == pytest.approx(200 / 10_000 * 1e3)

    def test_devices_are_told_by_uuid_and_not_by_index(self, at: Path) -> None:
        """The sampler sees all eight in the bus's order; ranks see two of them, the other way round."""
        says = {number: steady(10.0 * number, 100.0 * number) for number in range(8)}
        raw = sampled_run(at, says, drives=((5,), (3,)))
        assert (row(raw)["util_mean_pct"], row(raw)["power_mean_w"]) == pytest.approx((40.0, 400.0))

    def test_a_sampler_with_another_order_gives_the_same(self, at: Path) -> None:
        says = {number: steady(10.0 * number) for number in (3, 7, 0, 5)}
        assert row(sampled_run(at, says, drives=((0,), (5,))))["util_mean_pct"] == pytest.approx(25.0)

    def test_the_first_period_of_a_window_is_left_out(self, at: Path) -> None:
        """Until a period has passed, utilisation covers time before the window."""
        raw = sampled_run(at, {0: steady()}, sampler=False)
        start = raw.now_ns - 2 * 10**9  # eager's window; script's follows it

        def says(t_ns: int) -> dict[str, Any]:
            return {"util": 0.0 if t_ns < start + 300 * 10**6 else 80.0, "power_w": 100.0}

        about = {0: {"utilization_period_ms": 300}}
        Sampler(at, about=about).sample(start - 10 * PERIOD_NS, raw.now_ns, {0: says})
        assert row(raw)["util_mean_pct"] == pytest.approx(80.0)

    def test_each_mode_has_its_own_window(self, at: Path) -> None:
        raw = sampled_run(at, {0: steady()}, sampler=False)
        turn = raw.now_ns - 10**9
        changing = {0: lambda t_ns: steady(90.0 if t_ns <= turn else 20.0)(t_ns)}
        Sampler(at).sample(raw.now_ns - 3 * 10**9, raw.now_ns, changing)
        assert row(raw)["util_mean_pct"] == 90.0
        assert row(raw, "script")["util_mean_pct"] == 20.0

    def test_without_a_counter_power_is_integrated_and_said_so(self, at: Path) -> None:
        raw = sampled_run(at, {0: steady(watts=200.0, energy_j=None)})
        assert row(raw)["energy_mj_per_sample"] == pytest.approx(20.0)
        assert row(raw)["power_mean_w"] == pytest.approx(200.0)
        assert "2 points have an energy that is power integrated over time" in notes(raw)

    def test_a_counter_that_moves_less_often_than_it_is_sampled_is_read_where_it_moves(
        self, at: Path
    ) -> None:
        def coarse(t_ns: int) -> dict[str, Any]:
            return {
                "util": 50.0,
                "power_w": 0.0,
                "energy_j": 200.0 * (t_ns // (4 * PERIOD_NS) * 4 * PERIOD_NS) / 1e9,
            }

        assert row(sampled_run(at, {0: coarse}))["energy_mj_per_sample"] == pytest.approx(20.0)

    def test_a_counter_that_begins_anew_is_not_believed(self, at: Path) -> None:
        raw = sampled_run(at, {0: steady()}, sampler=False)
        turn = raw.now_ns - 1_500_000_000
        falling = {0: lambda t_ns: steady(energy_j=t_ns / 1e9 if t_ns < turn else (t_ns - turn) / 1e9)(t_ns)}
        Sampler(at).sample(raw.now_ns - 3 * 10**9, raw.now_ns, falling)
        assert row(raw)["power_mean_w"] == pytest.approx(200.0)

    def test_sm_activity_that_reaches_back_before_the_window_is_left_out(self, at: Path) -> None:
        raw = sampled_run(at, {0: steady()}, sampler=False)
        start = raw.now_ns - 2 * 10**9

        def says(t_ns: int) -> dict[str, Any]:
            due = (t_ns - start) % (4 * PERIOD_NS) == PERIOD_NS
            return {"sm_active": 5.0 if t_ns < start + 4 * PERIOD_NS else 60.0} if due else {}

        Sampler(at).sample(start - 10 * PERIOD_NS, raw.now_ns, {0: says})
        assert row(raw)["sm_active_pct"] == pytest.approx(60.0)

    def test_samples_of_another_host_do_not_count(self, at: Path) -> None:
        raw = sampled_run(at, {0: steady()}, host="elsewhere")
        assert empty(raw)
        assert "Utilisation was not sampled on host here: no sampler ran there." in notes(raw)

    def test_points_that_were_not_held_have_none(self, at: Path) -> None:
        raw = sampled_run(at, {0: steady()}, window_s=0)
        assert empty(raw)
        assert "No point has a utilisation, since none was held in a steady state" in notes(raw)

    def test_a_device_without_uuid_is_told_by_its_place_on_the_bus(self) -> None:
        device = read_device(uuid="")
        assert same_device(device, {"uuid": GPUS[0], "pci": "0000:01:00.0"})
        assert not same_device(device, {"uuid": GPUS[0], "pci": "0000:02:00.0"})
        assert not same_device(device, {"uuid": GPUS[0]})

    def test_two_that_both_have_a_uuid_are_told_by_nothing_else(self) -> None:
        """The instances of a MIG device share its place on the bus."""
        assert not same_device(read_device(), {**identity(0), "uuid": GPUS[1]})
        assert same_device(read_device(uuid=GPUS[2].replace("GPU", "MIG")), {"uuid": GPUS[2].upper()})


def read_device(**said: str) -> Any:
    from harness.analysis.sampled.samples import SampledDevice

    device = SampledDevice(GPUS[0], "00000000:01:00.0", "Test device", 1, {}, frozenset())
    return dataclasses.replace(device, **said)  # type: ignore[arg-type]


class TestWarnings:
    def test_agreement_within_ten_points_is_no_warning(self, at: Path) -> None:
        assert warnings(sampled_run(at, {0: steady(59.0)})) == set()  # the device works half of the step

    @pytest.mark.parametrize("util", [61.0, 39.0])
    def test_utilisation_that_says_something_else_than_the_device_share(self, at: Path, util: float) -> None:
        raw = sampled_run(at, {0: steady(util)})
        assert warnings(raw) == {"utilisation_differs"}

    def test_lowered_clocks_are_a_warning_and_the_reason_a_note(self, at: Path) -> None:
        raw = sampled_run(at, {0: steady(throttle=["sw_power_cap", "idle"])})
        assert "throttled" in warnings(raw)
        assert "Throttled by sw_power_cap (2 points)." in notes(raw)

    @pytest.mark.parametrize("reasons", [[], ["idle"], ["applications_clocks"]])
    def test_clocks_that_are_as_asked_for_are_none(self, at: Path, reasons: list[str]) -> None:
        assert "throttled" not in warnings(sampled_run(at, {0: steady(throttle=reasons)}))

    @pytest.mark.parametrize(("every", "is_it"), [(5, True), (19, False)])
    def test_a_tenth_of_the_samples_makes_it_throttled(self, at: Path, every: int, is_it: bool) -> None:
        def says(t_ns: int) -> dict[str, Any]:
            return {"throttle": ["hw_slowdown"] if t_ns // PERIOD_NS % every == 0 else []}

        assert ("throttled" in warnings(sampled_run(at, {0: says}, window_s=2.0))) == is_it

    def test_anothers_process_at_the_start_that_never_left_shares_the_device(self, at: Path) -> None:
        assert "shared" in warnings(sampled_run(at, {0: steady()}, about={0: {"others": [7]}}))

    def test_one_that_left_before_does_not(self, at: Path) -> None:
        raw = sampled_run(at, {0: steady(others=[])}, about={0: {"others": [7]}})
        assert "shared" not in warnings(raw)

    def test_one_that_comes_while_a_mode_is_held_shares_that_modes_device(self, at: Path) -> None:
        raw = sampled_run(at, {0: steady()}, sampler=False)
        turn = raw.now_ns - 10**9
        late = {0: lambda t_ns: steady(others=[7] if t_ns > turn + PERIOD_NS else [])(t_ns)}
        Sampler(at).sample(raw.now_ns - 3 * 10**9, raw.now_ns, late)
        assert "shared" in warnings(raw, "script")
        assert "shared" not in warnings(raw, "eager")

    def test_our_own_ranks_are_no_strangers(self, at: Path) -> None:
        assert "shared" not in warnings(sampled_run(at, {0: steady(others=[100])}))

    def test_strangers_on_devices_that_are_not_ours_do_not_count(self, at: Path) -> None:
        says = {0: steady(), 1: steady(others=[7])}
        assert "shared" not in warnings(sampled_run(at, says))


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
        assert "not records of this harness" in notes(raw)

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
        assert (read_samples(at).found[0].t_ns[1:] >= read_samples(at).found[0].t_ns[:-1]).all()

    def test_time_grows_about_linearly_with_the_number_of_samples(self, tmp_path: Path) -> None:
        """Eight times the samples may take 8 times as long; quadratic growth would take 64 times."""
        for name, seconds in (("small", 50), ("large", 400)):
            (tmp_path / name).mkdir()
            Sampler(tmp_path / name, range(8)).sample(0, seconds * 10**9, dict.fromkeys(range(8), steady()))
        small, large = (
            seconds_of(lambda at=tmp_path / name: read_samples(at)) for name in ("small", "large")
        )
        assert large < 30 * small


class TestTimeline:
    def test_it_has_a_line_per_device_and_a_stretch_per_cell(self, at: Path) -> None:
        cells = [cell_of(batch=10), cell_of(batch=20)]
        raw = sampled_run(at, {0: steady(50.0), 1: steady(0.0, 60.0)}, cells=cells)
        line = loaded(raw).timeline
        assert set(line.samples["device"]) == set(GPUS[:2])
        means = line.samples.groupby("device")[["util_pct", "power_w"]].mean()
        assert means.to_numpy().tolist() == [[50.0, 200.0], [0.0, 60.0]]
        assert line.spans["cell"].tolist() == ["batch 10", "batch 20"]
        assert (line.spans["start"] < line.spans["end"]).all()

    def test_a_long_run_is_shortened(self, at: Path) -> None:
        raw = sampled_run(at, {0: steady()}, window_s=40.0)
        assert 100 < len(loaded(raw).timeline.samples) <= 401

    def test_days_between_two_sweeps_are_cut_short(self, at: Path) -> None:
        raw = sampled_run(at, {0: steady()})
        later = raw.now_ns + 10**15
        Sampler(at).sample(later, later + 10**9, {0: steady()})
        assert loaded(raw).timeline.samples["seconds"].max() < 20

    def test_without_samples_it_is_empty(self, at: Path) -> None:
        assert loaded(sampled_run(at, {0: steady()}, sampler=False)).timeline.samples.empty


def test_the_first_window_of_a_point_is_that_of_the_session_that_measured_it(at: Path) -> None:
    """A second try at a point that was measured before adds nothing."""
    cell = cell_of(["eager"])
    raw = sampled_run(at, {0: steady()}, cells=[cell])
    writers = raw.begin("s-try2", 1, [{"host": "here", "pid": 1, "devices": [identity(0)]}])
    raw.measure(writers, cell)
    raw.hold(writers, cell, "eager")
    assert row(raw)["key"] == key_of(cell, "eager")
    assert row(raw)["util_mean_pct"] == 50.0
