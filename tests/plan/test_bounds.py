"""Every number of a configuration has bounds, and what is bundled lies within."""

from __future__ import annotations

import math
from dataclasses import fields

import pytest
import yaml

from emulator.allowed import problems
from emulator.profile import Profile
from harness.core.emulated import load_profile
from harness.core.errors import ConfigError
from harness.plan.allowed.bounds import BOUNDS, check_bounds, numeric_keys
from harness.plan.config import Config, conf_directory
from harness.plan.inventory import Inventory
from harness.plan.layout import make_plan
from harness.plan.validate import validate


def test_every_number_has_its_bounds_and_no_other_key_does() -> None:
    assert set(numeric_keys()) == set(BOUNDS)


@pytest.mark.parametrize("key", sorted(BOUNDS))
def test_what_is_beyond_is_refused_with_the_reason(key: str) -> None:
    bound = BOUNDS[key]
    for value in (
        bound.most + 1,
        math.inf,
        math.nan,
        -1,
        bound.least if bound.above else bound.least - 1,
        [1],
        "1",
    ):
        config = Config(depth=[4], width=[4])
        _set(config, key, value)
        with pytest.raises(ConfigError) as refused:
            check_bounds(config)
        assert refused.value.key == key
        assert bound.why in str(refused.value)
    for value in (bound.most, bound.least + 0.5 if bound.above else bound.least):
        config = Config(depth=[4], width=[4])
        _set(config, key, value)
        check_bounds(config)


def _set(config: Config, key: str, value: object) -> None:
    *groups, name = key.split(".")
    part = config
    for group in groups:
        part = getattr(part, group)
    listed = isinstance(getattr(Config(depth=[1], width=[1], hidden=[1]), name, None), list) and not groups
    setattr(part, name, [value] if listed else value)


@pytest.mark.parametrize(
    "file", sorted(conf_directory().glob("*/*.yaml")), ids=lambda file: f"{file.parent.name}-{file.stem}"
)
def test_what_is_bundled_lies_within(file) -> None:
    said = yaml.safe_load(file.read_text()) or {}
    group = file.parent.name
    for name, value in said.items():
        key = name if group == "sweep" else f"{group}.{name}"
        for number in value if isinstance(value, list) else [value]:
            if key in BOUNDS and number is not None:
                assert BOUNDS[key].holds(number), (key, number)


@pytest.mark.parametrize("name", [field.name for field in fields(Profile) if field.type in ("int", "float")])
@pytest.mark.parametrize("value", [1e300, math.inf, math.nan, -1.0])
def test_numbers_of_a_profile_have_bounds_too(name: str, value: float) -> None:
    profile = load_profile("v100x8")
    setattr(profile, name, value)
    assert name in [key for key, _, _ in problems(profile)]


def test_a_training_step_of_one_output_is_a_row_and_the_rest_is_planned() -> None:
    config = validate(Config(hidden=[16], out_features=1, workload=["forward", "train"], mode=["eager"]))
    plan = make_plan(config, Inventory("cpu", 2, "", 2))
    assert [point.workload for point in plan.points] == ["forward", "train"]
    (reason,) = plan.unsupported.values()
    assert "two outputs" in reason


def test_more_processes_than_a_node_can_hold_are_refused_with_its_cores() -> None:
    make_plan(Config(depth=[2], width=[2], devices=[128]), Inventory("cpu", 2, "", 2))
    with pytest.raises(ConfigError, match="1 to 128 here"):
        make_plan(Config(depth=[2], width=[2], devices=[129]), Inventory("cpu", 2, "", 2))


@pytest.mark.parametrize(
    ("many", "named"),
    [
        ({"depth": [*range(1, 401)], "width": [*range(1, 401)]}, "160_000 .400 depth x 400 width"),
        ({"depth": [*range(99_001, 100_001)], "width": [4]}, "20_000_000 layers"),
        ({"hidden": [4] * 100_001}, "100_000 widths"),
        ({"hidden": [4] * 1000, "batch": [*range(1, 50_002)]}, "50_000 points"),
    ],
    ids=["points", "layers", "widths", "batches"],
)
def test_a_plan_without_an_end_is_refused_before_it_is_made(many: dict[str, list[int]], named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        validate(Config(mode=["eager"], **many))


def test_a_large_sweep_is_planned_all_the_same() -> None:
    validate(Config(depth=[1, 10_000, 100_000], width=[64, 4096], batch=[1, 64], devices=[1, 8, 64]))
    # A value given twice is one.
    validate(Config(depth=[4] * 400, width=[4] * 400, workload=["train", "forward"]))
