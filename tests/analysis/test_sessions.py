"""Several sessions of a plan: what they say together, and how sure it is."""

from __future__ import annotations

import math
from pathlib import Path

import pandas as pd
import pytest
from raw_runs import RawRun, cell_of, row

from harness.analysis.noise import noise_floor
from harness.analysis.run import load_run
from harness.core.schema import ends
from harness.core.stats.intervals import over_sessions
from harness.core.stats.spread import Spread, Spreads

# How much slower each session is as a whole, and how much more so for eager.
SLOWER = (1.0, 1.1, 0.9, 1.05, 0.97)
EAGER = (1.0, 1.02, 0.99, 1.0, 1.01)


def run_sessions(raw: RawRun, **options: object) -> None:
    """script: 1 us; eager: 3 us; each as much longer as its session says."""
    cell = cell_of(**options)
    raw.plan(cell)
    for number, (slow, more) in enumerate(zip(SLOWER, EAGER, strict=True), 1):
        raw.session(
            f"processes-{options.get('devices', 1)}-try{number}",
            [cell],
            step_ns=lambda mode, *_, by=slow, own=more: round(
                3e6 * by * own if mode == "eager" else 1e6 * by
            ),
        )


def test_a_step_time_is_the_geometric_mean_over_sessions_with_its_interval(raw: RawRun) -> None:
    run_sessions(raw)
    expected = over_sessions([1000 * by for by in SLOWER]).interval()
    found = row(raw, "script")
    assert found["step_us"] == pytest.approx(expected.estimate)
    assert (found["step_us_low"], found["step_us_high"]) == pytest.approx((expected.low, expected.high))
    assert (found["sessions"], found["builds"], found["rounds"]) == (5, 5, 50)


def test_a_speed_up_is_paired_within_sessions(raw: RawRun) -> None:
    """Sessions that are slow as a whole are slow for both modes: the ratio's interval knows nothing of that."""
    run_sessions(raw)
    expected = over_sessions([3 * own for own in EAGER]).interval()
    found = row(raw, "script")
    assert found["speedup_vs_eager"] == pytest.approx(expected.estimate)
    assert (found["speedup_low"], found["speedup_high"]) == pytest.approx((expected.low, expected.high))
    assert found["verdict"] == "faster"


def test_throughput_and_dispatch_share_have_the_sessions_interval(raw: RawRun) -> None:
    run_sessions(raw)
    found = row(raw)
    low, high = (found[end] for end in ends("throughput_samples_s"))
    assert low < found["throughput_samples_s"] < high
    ratio = over_sessions([1 / (3 * own) for own in EAGER]).interval()
    assert found["dispatch_share"] == pytest.approx(1 - ratio.estimate)
    low, high = (found[end] for end in ends("dispatch_share"))
    assert (low, high) == pytest.approx((1 - ratio.high, 1 - ratio.low))


def test_on_a_cpu_eagers_share_is_what_the_speed_up_says(raw: RawRun) -> None:
    """They are one measurement, paired within rounds: of rounds that are disturbed the medians of times say another."""
    cell = cell_of(["eager", "script", "trace"])
    raw.plan(cell)
    for number in range(3):

        def step_ns(mode: str, rank: int, round_: int, number: int = number) -> int:
            slow = 1 + 0.3 * ((round_ * 7 + number) % 5)
            odd = 1 + 0.2 * ((round_ * (3 if mode == "eager" else 4) + number) % 7)
            return round({"eager": 3e5, "script": 1e5, "trace": 1.02e5}[mode] * slow * odd)

        raw.session(f"processes-1-try{number}", [cell], step_ns=step_ns)
    eager, script, trace = (row(raw, mode) for mode in ("eager", "script", "trace"))
    assert eager["step_us"] / script["step_us"] != pytest.approx(script["speedup_vs_eager"], rel=1e-3)
    for of_share, of_speedup in (
        ("dispatch_share", "speedup_vs_eager"),
        ("dispatch_share_low", "speedup_low"),
        ("dispatch_share_high", "speedup_high"),
    ):
        assert eager[of_share] == pytest.approx(1 - 1 / script[of_speedup])
    assert trace["dispatch_share"] == pytest.approx(
        1 - trace["speedup_vs_eager"] / script["speedup_vs_eager"]
    )


def test_scaling_efficiency_has_the_interval_of_sessions_that_share_nothing(raw: RawRun) -> None:
    run_sessions(raw)
    run_sessions(raw, devices=2)
    found = row(raw, "script", devices=2)
    low, high = (found[end] for end in ends("scaling_efficiency"))
    one = over_sessions(SLOWER)
    expected = one.over(one).interval()
    # Every rank of a session that has but one file here: half of two.
    assert found["scaling_efficiency"] == pytest.approx(1.0)
    assert (low, high) == pytest.approx((expected.low, expected.high))
    assert found["scaling_efficiency_low"] < 0.95


def test_a_mode_that_one_session_lacks_has_the_others(raw: RawRun) -> None:
    cell = cell_of()
    raw.plan(cell)
    raw.session("processes-1-try1", [cell])
    raw.session("processes-1-try2", [cell], dropped={"script": (0, "failed", "x")})
    assert (row(raw)["sessions"], row(raw, "script")["sessions"]) == (2, 1)
    assert row(raw, "script")["status"] == "ok"


class TestNull:
    @pytest.fixture
    def with_nulls(self, raw: RawRun) -> RawRun:
        """Second builds that are 0.4 % slower, in one of 10 cells 2 %."""
        for batch in range(1, 11):
            cell = cell_of(batch=batch)
            raw.plan(cell)
            for number, own in enumerate(EAGER, 1):
                times = {"eager": 3e6, "null": 3e6 * own * (1.02 if batch == 7 else 1.004)}
                raw.session(
                    f"processes-1-try{batch}{number}",
                    [cell],
                    null=True,
                    step_ns=lambda mode, *_, of=times: round(of.get(mode, 1e6)),
                )
        return raw

    def test_it_stands_in_eagers_row_and_is_no_point(self, with_nulls: RawRun) -> None:
        points = load_run(with_nulls.directory).points.set_index(["batch", "mode"])
        expected = over_sessions([1 / (1.004 * own) for own in EAGER]).interval()
        found = points.loc[(1, "eager")]
        assert [found[name] for name in ("null_ratio", "null_low", "null_high")] == pytest.approx(
            [expected.estimate, expected.low, expected.high]
        )
        assert math.isnan(points.loc[(1, "script"), "null_ratio"])
        assert len(points) == 20

    def test_the_floor_is_what_most_nulls_stay_below(self, with_nulls: RawRun) -> None:
        floor = noise_floor(load_run(with_nulls.directory).points)
        assert floor.nulls == floor.with_interval == 10
        assert floor.holding_one == 9
        common = over_sessions([1.004 * own for own in EAGER]).estimate - 1
        assert common < floor.relative < 1.02 * common + 0.02

    def test_what_was_not_compared_with_itself_has_no_floor(self, raw: RawRun) -> None:
        run_sessions(raw)
        assert math.isnan(noise_floor(load_run(raw.directory).points).relative)


class TestStoredSpread:
    SPREADS = Spreads(Spread(0.02, 4), Spread(0.005, 4))

    @pytest.fixture
    def once(self, tmp_path: Path) -> RawRun:
        raw = RawRun(tmp_path / "run")
        raw.launcher(
            "start", device_kind="cpu", device_name="Test device", cores=8, spreads=self.SPREADS.plain()
        )
        return raw

    def test_one_session_takes_the_interval_that_sessions_of_this_machine_had(self, once: RawRun) -> None:
        cell = cell_of()
        once.plan(cell)
        once.session("processes-1-try1", [cell])
        found = row(once, "script")
        expected = self.SPREADS.ratio.error(3.0, 0.0).interval()
        assert (found["speedup_low"], found["speedup_high"]) == pytest.approx((expected.low, expected.high))
        assert found["warnings"] == "stored_spread"
        assert found["verdict"] == "faster"

    def test_rounds_that_differ_make_it_wider(self, once: RawRun) -> None:
        cell = cell_of()
        once.plan(cell)
        once.session(
            "s", [cell], step_ns=lambda mode, _, n: (3000 if mode == "eager" else 1000) + 400 * (n % 2)
        )
        found = row(once, "script")
        least = self.SPREADS.ratio.error(1.0, 0.0).interval().relative_half_width
        assert (found["speedup_high"] - found["speedup_low"]) / 2 / found["speedup_vs_eager"] > 1.5 * least

    def test_several_sessions_speak_for_themselves(self, once: RawRun) -> None:
        run_sessions(once)
        assert row(once, "script")["warnings"] == ""

    def test_what_is_no_spread_is_not_used(self, tmp_path: Path) -> None:
        for number, wrong in enumerate([{"time": {}}, {"time": {"sd": -1, "dof": 3}, "ratio": 7}, "x", None]):
            raw = RawRun(tmp_path / f"run{number}")
            raw.launcher("start", device_kind="cpu", device_name="Test device", cores=8, spreads=wrong)
            cell = cell_of()
            raw.plan(cell)
            raw.session("s", [cell])
            assert math.isnan(row(raw, "script")["speedup_low"])


class TestDrift:
    """How this machine drifts between sweeps is in what another sweep's figures are held against, and only there."""

    DRIFT = Spread(0.05, 9)

    @pytest.fixture
    def drifting(self, tmp_path: Path) -> RawRun:
        raw = RawRun(tmp_path / "drifting")
        drift = self.DRIFT.plain()
        raw.launcher("start", device_kind="cpu", device_name="Test device", cores=8, drift=drift)
        for devices in (1, 2):
            run_sessions(raw, devices=devices)
        return raw

    @pytest.fixture
    def steady(self, tmp_path: Path) -> RawRun:
        raw = RawRun(tmp_path / "steady")
        for devices in (1, 2):
            run_sessions(raw, devices=devices)
        return raw

    def test_times_and_throughputs_hold_it(self, drifting: RawRun) -> None:
        expected = over_sessions([1000 * by for by in SLOWER]).further(self.DRIFT.sd, self.DRIFT.dof)
        found = load_run(drifting.directory).points.set_index(["devices", "mode"]).loc[(1, "script")]
        for figure in ("step_us", "throughput_samples_s"):
            low, high = (found[end] for end in ends(figure))
            assert math.log(high / low) / 2 == pytest.approx(
                math.log(expected.interval().high / expected.estimate)
            )

    def test_what_is_compared_within_the_sweep_does_not(self, drifting: RawRun, steady: RawRun) -> None:
        ours, theirs = (load_run(raw.directory).points for raw in (drifting, steady))
        for figure in ("speedup_vs_eager", "scaling_efficiency", "dispatch_share", "verdict", "warnings"):
            for column in (figure, *(end for end in ends(figure) if end in ours)):
                pd.testing.assert_series_equal(ours[column], theirs[column])

    def test_the_spread_between_its_own_sessions_does_not(self, drifting: RawRun, steady: RawRun) -> None:
        """It is kept for sweeps of one session, which take the drift for themselves."""
        spreads = load_run(drifting.directory).spreads
        assert spreads is not None
        assert spreads == load_run(steady.directory).spreads

    def test_the_run_says_which_its_intervals_hold(self, drifting: RawRun, steady: RawRun) -> None:
        assert (
            "(5.0 %, by 6 earlier sweeps of this machine, beside which 2 % are assumed with the weight of 5)"
            in load_run(drifting.directory).notes[-1]
        )
        assert "not how far this machine drifts" in load_run(steady.directory).notes[-1]

    def test_what_the_reference_work_took_is_known_of_each_session(self, raw: RawRun) -> None:
        cell = cell_of()
        raw.plan(cell)
        for number, said in enumerate([[{"reference_ns": 7.5}, {}], [{"reference_ns": None}, {}], [{}, {}]]):
            writers = raw.begin(f"s{number}", 2, said)
            raw.measure(writers, cell)
        assert load_run(raw.directory).speeds == (7.5,)

    def test_what_it_took_all_through_a_session_counts_more_than_at_its_start(self, raw: RawRun) -> None:
        cell = cell_of()
        raw.plan(cell)
        writers = raw.begin("s1", 2, [{"reference_ns": 7.5}, {}])
        raw.measure(writers, cell)
        writers[0].write("closing", wall_s=2.0, busy_s=1.0, reference_ns=8.5)
        assert load_run(raw.directory).speeds == (8.5,)


def test_the_spread_between_sessions_is_found_again(raw: RawRun) -> None:
    run_sessions(raw)
    spreads = load_run(raw.directory).spreads
    assert spreads is not None
    logs = [math.log(own) for own in EAGER]
    mean = sum(logs) / len(logs)
    expected = math.sqrt(sum((log - mean) ** 2 for log in logs) / (len(logs) - 1))
    assert (spreads.ratio.sd, spreads.ratio.dof) == pytest.approx((expected, 4))
    assert Spreads.of(spreads.plain()) == spreads


def test_two_sessions_say_too_little_of_how_far_they_lie_apart(raw: RawRun) -> None:
    cell = cell_of()
    raw.plan(cell)
    for number in (1, 2):
        raw.session(f"processes-1-try{number}", [cell])
    assert load_run(raw.directory).spreads is None
