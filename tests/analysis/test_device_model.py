"""How far an emulated device's time may be from a real one's, row by row."""

from __future__ import annotations

from dataclasses import asdict, replace

import pandas as pd
import pytest

from emulator.profile import ModelError
from harness.analysis.device_model import add_device_model, share_between
from harness.core.emulated import load_profile
from harness.kernels.shape import Shape
from harness.kernels.step import device_us

COLUMNS = ["device_us_model_low", "device_us_model_high"]


def table(**changes: object) -> pd.DataFrame:
    row = {
        **{"model": "mlp-64x4", "depth": 4, "width": 64, "batch": 8, "devices": 1, "workload": "forward"},
        **{"dtype": "float32", "device_kind": "emulated", "status": "ok"},
        **{"device_us": 100.0, "issue_us": 400.0, "step_us": 410.0},
        **dict.fromkeys(COLUMNS, float("nan")),
    }
    return pd.DataFrame([row | changes])


def configured(**errors: ModelError) -> dict[str, object]:
    return {"emulator": asdict(replace(load_profile("v100x8"), errors=errors))}


ERRORS = {
    "products_short": ModelError(0.8, 1.5, 20),
    "products_medium": ModelError(0.9, 1.2, 20),
    "products_long": ModelError(0.95, 1.1, 20),
    "others": ModelError(0.7, 1.4, 20),
}


def test_each_kernel_counts_by_its_class_and_its_share() -> None:
    for shape, classes in (
        (Shape((64,) * 5, 8), ("products_short", "others")),
        (Shape((2048,) * 5, 8192), ("products_long", "others")),
    ):
        rows = table(model=f"mlp-{shape.sizes[0]}x4", width=shape.sizes[0], batch=shape.batch)
        add_device_model(rows, configured(**ERRORS))
        low, high = rows.loc[0, COLUMNS]
        ends = [ERRORS[name] for name in classes]
        assert 100 * min(end.low for end in ends) <= low <= 100 * max(end.low for end in ends)
        assert 100 * min(end.high for end in ends) <= high <= 100 * max(end.high for end in ends)
    # Of the large one nearly all is products.
    assert (low, high) == pytest.approx((95, 110), rel=0.05)


def test_a_profile_that_does_not_say_and_a_real_device_have_none() -> None:
    for rows, config in (
        (table(), configured()),
        (table(), {}),
        (table(device_kind="cuda"), configured(**ERRORS)),
        (table(status="oom"), configured(**ERRORS)),
    ):
        add_device_model(rows, config)
        assert rows[COLUMNS].isna().all(axis=None)


def test_under_strong_scaling_a_device_has_its_part_of_the_batch() -> None:
    weak, strong = table(batch=4096, devices=1), table(batch=8 * 4096, devices=8)
    add_device_model(weak, configured(**ERRORS))
    add_device_model(strong, configured(**ERRORS) | {"scaling": "strong"})
    assert strong[COLUMNS].equals(weak[COLUMNS])


def test_shares_of_a_launch_bound_step_follow_the_devices_time() -> None:
    rows = table(device_us_model_low=80.0, device_us_model_high=200.0)
    between = share_between(rows).iloc[0]
    assert (between["low"], between["high"]) == pytest.approx((1 - 200 / 410, 1 - 80 / 410))


def test_a_device_that_takes_longer_than_issuing_waits_less_and_makes_the_step_longer() -> None:
    rows = table(device_us=300.0, device_us_model_low=300.0, device_us_model_high=800.0)
    between = share_between(rows).iloc[0]
    assert between["low"] == pytest.approx(1 - 800 / 810)
    assert between["high"] == pytest.approx(1 - 300 / 410)


@pytest.mark.parametrize("name", ["v100x8", "a100x8", "h100x8", "h200x8"])
def test_every_profile_says_how_far_it_is_from_real_kernels(name: str) -> None:
    profile = load_profile(name)
    assert set(ERRORS) <= set(profile.errors)
    for error in profile.errors.values():
        assert 0 < error.low <= error.high
    rows = table(device_us=device_us(Shape((64,) * 5, 8), profile))
    add_device_model(rows, {"emulator": asdict(profile)})
    assert rows.loc[0, COLUMNS[0]] < rows.loc[0, "device_us"] < rows.loc[0, COLUMNS[1]]
