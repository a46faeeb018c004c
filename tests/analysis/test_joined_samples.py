"""Samples to points: by host, UUID and time."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from points_of_samples import COLUMNS, empty, notes, row, warnings
from raw_runs import cell_of, key_of
from sampled_runs import GPUS, PERIOD_NS, Sampler, identity, sampled_run, steady

from harness.analysis.sampled.samples import same_device
from harness.records.kinds import Identity


@pytest.fixture
def at(tmp_path: Path) -> Path:
    return tmp_path / "run"


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
        assert same_device(device, Identity(uuid=GPUS[0], pci="0000:01:00.0"))
        assert not same_device(device, Identity(uuid=GPUS[0], pci="0000:02:00.0"))
        assert not same_device(device, Identity(uuid=GPUS[0]))

    def test_two_that_both_have_a_uuid_are_told_by_nothing_else(self) -> None:
        """The instances of a MIG device share its place on the bus."""
        assert not same_device(read_device(), Identity(**{**identity(0), "uuid": GPUS[1]}))
        assert same_device(read_device(uuid=GPUS[2].replace("GPU", "MIG")), Identity(uuid=GPUS[2].upper()))


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


def test_the_first_window_of_a_point_is_that_of_the_session_that_measured_it(at: Path) -> None:
    """A second try at a point that was measured before adds nothing."""
    cell = cell_of(["eager"])
    raw = sampled_run(at, {0: steady()}, cells=[cell])
    writers = raw.begin("s-try2", 1, [{"host": "here", "pid": 1, "devices": [identity(0)]}])
    raw.measure(writers, cell)
    raw.hold(writers, cell, "eager")
    assert row(raw)["key"] == key_of(cell, "eager")
    assert row(raw)["util_mean_pct"] == 50.0
