"""The model of cost: known coefficients are found again, and its error is told on cells it has not seen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from emulator.times.collectives import Protocol
from harness.core.emulated import load_profile, product_us
from harness.core.schema import yes_no
from harness.costs.contention import ALONE, NO_CONTENTION
from harness.costs.curve import FLOPS, LAYER, WEIGHTS, Curve, fit_curve
from harness.costs.overlap import combined_us
from harness.costs.step import fit, fittable
from harness.kernels.links import BUCKET, Links, exposed_us, links_of
from harness.kernels.shape import Shape, sizes_of
from harness.kernels.step import PRODUCT, device_us, kernels, launches

DEPTHS, BATCHES = (4, 16, 64), (1, 16, 256, 4096)
ISSUE = {"eager": (5.0, 9.0), "script": (4.0, 3.0)}  # us a step, us a layer
MFLOP_US = 10.0


def work_us(depth: int, width: int, batch: int) -> float:
    return depth * 2 * batch * width**2 / 1e6 * MFLOP_US


def points(
    *,
    kind: str = "cpu",
    devices: Sequence[int] = (1,),
    controllers: Sequence[str] = ("processes",),
    depths: Sequence[int] = DEPTHS,
    widths: Sequence[int] = (64,),
    batches: Sequence[int] = BATCHES,
    gil: str = "yes",
    strong: bool = False,
    noise: Callable[[dict[str, Any]], float] = lambda row: 1.0,
    **fixed: Any,
) -> pd.DataFrame:
    """A table whose times follow the model exactly, but for `noise`, a factor on a row's times."""
    rows = []
    for mode, (step, layer) in ISSUE.items():
        for depth in depths:
            for width in widths:
                for batch in batches:
                    for count in devices:
                        for controller in controllers:
                            per = batch // count if strong else batch
                            issue, work = step + depth * layer, work_us(depth, width, per)
                            locked = controller == "threads" and mode == "eager" and gil == "yes"
                            times = count if controller == "loop" or locked else 1
                            row: dict[str, Any] = {
                                "key": f"{mode}{depth}{width}{batch}{count}{controller}",
                                "model": f"mlp-{width}x{depth}",
                                "depth": depth,
                                "width": width,
                                "batch": batch,
                                "devices": count,
                                "controller": controller,
                                "workload": "forward",
                                "dtype": "float32",
                                "autograd": "inference",
                                "mode": mode,
                                "device_kind": kind,
                                "device_name": "Test device",
                                "status": "ok",
                                "warnings": "",
                                "holds_lock": yes_no(mode == "eager"),
                                "gil": gil,
                                "threads": 1,
                            }
                            if kind == "cpu":
                                row["step_us"] = combined_us(issue, work, times, controller, True)
                            else:
                                row["issue_us"], row["device_us"] = issue * times, work + depth * 2.0
                                row["step_us"] = max(row["issue_us"], row["device_us"])
                            row["step_us"] *= noise(row)
                            row["throughput_samples_s"] = per * count / row["step_us"] * 1e6
                            rows.append({**row, **fixed})
    return pd.DataFrame(rows)


def cost(table: pd.DataFrame, mode: str = "eager") -> Any:
    return next(each for each in fit(table).costs if each.mode == mode)


def test_on_a_synchronous_device_dispatch_and_work_are_told_apart() -> None:
    for mode, (step, layer) in ISSUE.items():
        found = cost(points(), mode)
        assert found.issue.layer_us == pytest.approx(layer, rel=0.02)
        assert found.issue.fixed_us == pytest.approx(step, rel=0.1)
        assert found.work.coefficients[FLOPS] == pytest.approx(MFLOP_US, rel=0.02)
        assert found.synchronous


def test_on_an_asynchronous_device_issue_and_device_are_fitted_apart() -> None:
    found = cost(points(kind="cuda"))
    assert (found.issue.fixed_us, found.issue.layer_us) == (pytest.approx(5.0), pytest.approx(9.0))
    assert found.work.coefficients[LAYER] == pytest.approx(2.0, rel=0.02)
    assert not found.synchronous


def test_what_follows_the_model_is_predicted_without_error_by_the_other_half() -> None:
    for kind in ("cpu", "cuda"):
        error = fit(points(kind=kind, widths=(64, 512))).error
        assert error.median < 0.01
        assert error.p90 < 0.05
        assert error.points == 2 * 2 * 12


def crowded(row: dict[str, Any]) -> float:
    """Two ranks of one machine: dispatch 1.6 times as slow, work 1.2 times."""
    if row["devices"] == 1:
        return 1.0
    fixed, layer = ISSUE[row["mode"]]
    issue, work = fixed + row["depth"] * layer, work_us(row["depth"], row["width"], row["batch"])
    return (1.6 * issue + 1.2 * work) / (issue + work)


def test_costs_of_steps_that_record_and_of_such_that_do_not_are_never_mixed() -> None:
    recording = points(noise=lambda row: 1.5, autograd="grad")
    both = fit(pd.concat([points(), recording], ignore_index=True))
    alone = {autograd: fit(part) for autograd, part in (("inference", points()), ("grad", recording))}
    assert {(each.mode, each.autograd) for each in both.costs} == {(m, a) for m in ISSUE for a in alone}
    for each in both.costs:
        single = next(c for c in alone[each.autograd].costs if c.mode == each.mode)
        assert each.issue == single.issue and each.error == single.error
    assert both.error.p90 == pytest.approx(0, abs=0.02)


def test_a_table_from_before_the_axis_came_is_fitted_as_its_default() -> None:
    before = points().drop(columns="autograd")
    assert {each.autograd for each in fit(before).costs} == {"inference"}


def test_a_refusal_names_the_value_where_it_is_not_the_default() -> None:
    few = points(depths=(4,), batches=(1,), autograd="grad")
    assert any("(forward, float32, autograd grad)" in text for text in fit(few).refused)
    assert any("(forward, float32):" in text for text in fit(few.assign(autograd="inference")).refused)


def test_what_ranks_of_one_machine_cost_each_other_is_found_and_predicted() -> None:
    table = points(devices=(1, 2), noise=crowded)
    found = cost(table)
    slowed = found.contention.of("processes", 2)
    assert (slowed.issue, slowed.work) == (pytest.approx(1.6, rel=0.02), pytest.approx(1.2, rel=0.02))
    assert found.contention.of("processes", 1) == ALONE == found.contention.of("threads", 2)
    assert found.contention.of("processes", 8) == slowed, "no growth is made up"
    assert fit(table).error.p90 < 0.05
    shape = Shape((64,) * 17, 16, "forward", 4)
    assert found.step_us(shape, 2) == pytest.approx(1.6 * (5 + 16 * 9) + 1.2 * work_us(16, 64, 16), rel=0.03)
    assert found.step_us(shape, 1) == pytest.approx(5 + 16 * 9 + work_us(16, 64, 16), rel=0.03)


def test_ranks_that_cost_each_other_nothing_are_given_no_factor() -> None:
    for controllers in (("processes",), ("loop",), ("threads",)):
        found = cost(points(devices=(1, 2, 4), controllers=controllers))
        for count in (2, 4):
            slowed = found.contention.of(controllers[0], count)
            assert slowed.issue == pytest.approx(1, rel=0.02)
            assert slowed.work == pytest.approx(1, rel=0.1)
    assert cost(points(kind="cuda", devices=(1, 2))).contention == NO_CONTENTION


def test_few_rows_tell_one_factor_and_a_disturbed_one_does_not_decide() -> None:
    table = points(devices=(1, 2), noise=lambda row: 1.0 if row["devices"] == 1 else 1.5)
    few = table[(table["devices"] == 1) | ((table["depth"] == 16) & (table["batch"] > 1))]
    slowed = cost(few).contention.of("processes", 2)
    assert slowed.issue == slowed.work == pytest.approx(1.5, rel=0.02)
    spoilt = points(
        devices=(1, 2),
        noise=lambda row: (
            9.0 if (row["devices"], row["depth"], row["batch"]) == (2, 16, 16) else crowded(row)
        ),
    )
    slowed = cost(spoilt).contention.of("processes", 2)
    assert slowed.issue == pytest.approx(1.6, rel=0.15)


def test_held_out_error_grows_with_what_the_model_does_not_know() -> None:
    def disturbed(row: dict[str, Any]) -> float:
        return 1.5 if (row["depth"], row["batch"]) in ((4, 1), (16, 4096), (64, 256)) else 1.0

    assert fit(points(noise=disturbed)).error.p90 > 0.2


def test_every_point_is_predicted_by_the_half_it_is_not_in() -> None:
    table = points(noise=lambda row: 3.0 if row["batch"] == 256 and row["depth"] == 16 else 1.0)
    held = fit(table).held_out
    outlier = held[(held["batch"] == 256) & (held["depth"] == 16)]
    # Three times as slow as the rest, and the half without it cannot know.
    assert (outlier["predicted_us"] < 0.5 * outlier["measured_us"]).all()


def test_a_loop_issues_for_every_device_in_turn() -> None:
    found = cost(points(kind="cuda"))
    shape = Shape((64,) * 17, 1)
    assert found.issue_us(shape, 8, "loop") == pytest.approx(8 * found.issue_us(shape))
    assert found.step_us(shape, 8, "loop") == pytest.approx(8 * found.issue_us(shape))
    assert found.step_us(shape, 8, "processes") == found.step_us(shape)


def test_threads_take_turns_only_where_the_mode_needs_a_lock() -> None:
    shape = Shape((64,) * 17, 1)
    assert cost(points(kind="cuda")).step_us(shape, 8, "threads") > 7 * cost(points(kind="cuda")).step_us(
        shape
    )
    for free in (cost(points(kind="cuda"), "script"), cost(points(kind="cuda", gil="no"))):
        assert free.step_us(shape, 8, "threads") == free.step_us(shape)


def test_without_points_on_one_device_the_model_divides() -> None:
    for kind in ("cpu", "cuda"):
        found = cost(points(kind=kind, devices=(4,), controllers=("loop",)))
        assert found.issue.layer_us == pytest.approx(9.0, rel=0.02)


def test_under_strong_scaling_a_device_has_its_share_of_the_batch() -> None:
    fitted = fit(points(devices=(1, 4), batches=(16, 256, 4096), strong=True))
    assert fitted.error.median < 0.01


def test_oversubscribed_points_are_not_fitted_and_it_is_said() -> None:
    fitted = fit(points(warnings="noisy;oversubscribed"))
    assert not fitted.costs
    assert "oversubscribed" in fitted.refused[0]
    assert not fittable(points(warnings="oversubscribed"))


def test_too_few_cells_and_missing_issue_times_are_refused() -> None:
    few = fit(points(depths=(4,), batches=(1, 16, 256)))
    assert not few.costs
    assert "3 of at least 4 cells" in few.refused[0]
    blind = points(kind="cuda")
    blind["issue_us"] = np.nan
    assert "issue_us" in fit(blind).refused[0]


def test_points_that_failed_do_not_count() -> None:
    table = points()
    table.loc[table["depth"] == 4, ["status", "step_us"]] = ["oom", np.nan]
    assert cost(table).seen["depth"] == (16, 64)


def test_a_curve_with_a_corner_is_found() -> None:
    true = Curve({LAYER: 3.0, WEIGHTS: 0.002, FLOPS: 0.05}, corner=8.0)
    shapes = [Shape((w,) * (d + 1), b) for w in (64, 512, 2048) for d in (4, 16) for b in (1, 64, 1024)]
    found = fit_curve(shapes, true.many(shapes), layer_adds=False)
    other = [Shape((1024,) * 9, b) for b in (8, 512, 4096)]
    assert found.many(other) == pytest.approx(true.many(other), rel=0.05)


def test_coefficients_of_what_does_not_vary_are_left_out() -> None:
    shapes = [Shape((64,) * 5, batch) for batch in (1, 16, 256)]
    found = fit_curve(shapes, np.array([10.0, 20.0, 180.0]), layer_adds=True)
    assert set(found.coefficients) <= {LAYER, FLOPS}


def test_device_time_is_that_of_the_emulators_kernels_and_their_gaps() -> None:
    profile = load_profile("v100x8")
    narrow = Shape((64,) * 5, 1)
    product = float(product_us(profile, 1, 64, 64, 1, "float32")[0])
    activation = profile.kernels["elementwise"].floor_us + 64 * 8 / (
        830e3 * profile.kernels["elementwise"].share
    )
    assert device_us(narrow, profile) == pytest.approx(
        4 * product + 3 * activation + 7 * profile.queued_gap_us
    )
    replayed = device_us(narrow, profile, mode="cudagraph")
    assert replayed == pytest.approx(4 * product + 3 * activation + 7 * profile.graph_gap_us)
    assert launches(narrow, "eager") == 7
    assert launches(narrow, "cudagraph") == 1
    # Large ones run near the peak: 16 layers, three products a layer.
    wide = Shape((4096,) * 17, 4096, "train")
    at_peak = 3 * 16 * 2 * 4096**3 / 15.7e12 * 1e6
    assert at_peak < device_us(wide, profile) < 1.3 * at_peak
    assert sum(kernel.kind == PRODUCT for kernel in kernels(wide)) == 3 * 16 - 1


def links_at(gb_s: float, latency_us: float, **changes: float) -> Links:
    profile = replace(load_profile("v100x8"), protocols=[Protocol(latency_us, 0.0, gb_s)])
    return replace(Links(profile, per_node=8), **changes)


def test_an_all_reduce_is_a_ring_over_the_slowest_link() -> None:
    links = links_at(100.0, 10.0, network_gb_s=12.5, network_latency_us=5.0)
    assert links.allreduce_us(1e6, 1) == 0
    assert links.allreduce_us(1e6, 8) == pytest.approx(10 + 2 * 7 / 8 * 10)
    # 8 nodes: three levels of a tree, up and down.
    assert links.allreduce_us(1e6, 64) == pytest.approx(10 + 6 * 5 + 2 * 63 / 64 * 80)
    assert links.nodes(9) == 2
    # Between nodes it is never faster than within one of them.
    fast = links_at(100.0, 10.0, network_gb_s=1e6, network_latency_us=0.0)
    assert fast.allreduce_us(1e6, 64) == pytest.approx(fast.allreduce_us(1e6, 8))


def test_backward_hides_all_of_the_all_reduce_but_the_last_bucket() -> None:
    links = links_at(100.0, 10.0)
    whole, last = links.exchange_us(3.0 * BUCKET, 8)
    assert whole > 3 * links.allreduce_us(BUCKET / 2, 8)
    assert exposed_us(whole, last, device_us=1e6) == last
    assert exposed_us(whole, last, device_us=0) == whole


def test_the_network_is_that_of_the_devices_usual_instance_unless_given() -> None:
    assert links_of(load_profile("v100x8")).network_gb_s == 12.5
    assert links_of(load_profile("h100x8")).network_gb_s == 400
    assert links_of(load_profile("h100x8"), 50).network_gb_s == 50


def test_layer_widths_are_read_from_the_models_name() -> None:
    assert sizes_of("mlp-64x4", 4, 64) == (64,) * 5
    assert sizes_of("mlp-512-256-128-2", 3, 256) == (512, 256, 128, 2)
    assert sizes_of("mlp-8-64x10-2", 11, 64) == (8, *[64] * 10, 2)
    assert sizes_of("mlp-8-...-2-30-layers-abc123", 3, 16) == (16,) * 4
