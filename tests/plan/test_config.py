"""The configuration: what is refused is refused by name, and all that is shipped is accepted."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.config_store import ConfigStore
from omegaconf import OmegaConf

from harness.core.errors import ConfigError
from harness.plan.config import (
    RUN_KEYS,
    Config,
    DeviceConfig,
    LauncherConfig,
    MonitorConfig,
    TimingConfig,
    conf_directory,
    measured_config,
)
from harness.plan.exclude import matches
from harness.plan.validate import validate


def config(**changes: Any) -> Config:
    return replace(Config(name="test", depth=[2], width=[8]), **changes)


def refused(**changes: Any) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        validate(config(**changes))
    assert "\n" not in str(caught.value)
    return caught.value


def test_a_plain_config_is_accepted_and_handed_back() -> None:
    plain = config()
    assert validate(plain) is plain


@pytest.mark.parametrize("key", ["depth", "width", "batch", "devices", "hidden"])
@pytest.mark.parametrize("value", [[], [0], [-1], [4, 0]])
def test_counts_are_lists_of_whole_numbers_from_one_on(key: str, value: list[int]) -> None:
    error = refused(**{key: value})
    assert error.key == key
    assert "whole number" in error.allowed
    if value:
        assert error.value == value[-1]


@pytest.mark.parametrize("key", ["mode", "controller", "workload", "dtype", "autograd"])
@pytest.mark.parametrize("value", [[], ["nonsense"]])
def test_names_must_be_known(key: str, value: list[str]) -> None:
    error = refused(**{key: value})
    assert error.key == key
    known = {
        "mode": "eager",
        "controller": "processes",
        "workload": "train",
        "dtype": "float32",
        "autograd": "grad",
    }
    assert known[key] in error.allowed


def test_an_unknown_name_beside_known_ones_is_refused() -> None:
    assert refused(mode=["eager", "scirpt"]).value == "scirpt"


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"depth": None}, "depth"),
        ({"width": None}, "width"),
        ({"in_features": 0}, "in_features"),
        ({"out_features": -3}, "out_features"),
        ({"scaling": "odd"}, "scaling"),
        ({"device": DeviceConfig(kind="tpu")}, "device.kind"),
        ({"device": DeviceConfig(threads=0)}, "device.threads"),
        ({"launcher": LauncherConfig(kind="carrier-pigeon")}, "launcher.kind"),
        ({"launcher": LauncherConfig(startup_timeout_s=0)}, "launcher.startup_timeout_s"),
        ({"timeout_s": 0.0}, "timeout_s"),
        ({"timeout_s": float("inf")}, "timeout_s"),
        ({"timeout_s": float("nan")}, "timeout_s"),
        ({"timing": TimingConfig(block_ms=0)}, "timing.block_ms"),
        ({"timing": TimingConfig(warmup_max_s=-1)}, "timing.warmup_max_s"),
        ({"timing": TimingConfig(max_cell_s=float("nan"))}, "timing.max_cell_s"),
        ({"timing": TimingConfig(rel_width=0)}, "timing.rel_width"),
        ({"timing": TimingConfig(rel_width=1)}, "timing.rel_width"),
        ({"timing": TimingConfig(rel_width=float("nan"))}, "timing.rel_width"),
        ({"timing": TimingConfig(sessions=0)}, "timing.sessions"),
        ({"timing": TimingConfig(sessions=5, max_sessions=4)}, "timing.max_sessions"),
        ({"timing": TimingConfig(builds=0)}, "timing.builds"),
        ({"timing": TimingConfig(rounds=0)}, "timing.rounds"),
        ({"timing": TimingConfig(null_every=-1)}, "timing.null_every"),
        ({"name": ""}, "name"),
        ({"name": "../elsewhere"}, "name"),
        ({"name": "a/b"}, "name"),
        ({"name": ".hidden"}, "name"),
        ({"plugins": ["no_such_module_anywhere"]}, "plugins"),
        ({"exclude": [{}]}, "exclude[0]"),
        ({"exclude": [{"depth": 2}, {"dpth": 3}]}, "exclude[1].dpth"),
        ({"exclude": [{"depth": ">=x"}]}, "exclude[0].depth"),
        ({"exclude": [{"depth": 0.5}]}, "exclude[0].depth"),
        ({"exclude": [{"depth": True}]}, "exclude[0].depth"),
        ({"exclude": [{"batch": None}]}, "exclude[0].batch"),
        ({"exclude": [{"batch": {"over": 3}}]}, "exclude[0].batch"),
        ({"exclude": [{"mode": 3}]}, "exclude[0].mode"),
        ({"exclude": [{"workload": ["train", 3]}]}, "exclude[0].workload"),
    ],
)
def test_what_is_refused_is_named(changes: dict[str, Any], key: str) -> None:
    error = refused(**changes)
    assert error.key == key
    assert str(error).startswith(f"{key}=")
    assert "allowed: " in str(error)


def test_a_bad_condition_in_a_list_is_refused_wherever_it_stands() -> None:
    """The list must be read to its end, though its first condition may hold already."""
    assert refused(exclude=[{"depth": [1, "x"]}]).key == "exclude[0].depth"
    assert refused(exclude=[{"depth": ["x", 1]}]).key == "exclude[0].depth"


def test_an_empty_list_of_conditions_is_refused() -> None:
    """It would exclude nothing, which nobody writes down on purpose."""
    assert refused(exclude=[{"depth": []}]).key == "exclude[0].depth"


@pytest.mark.parametrize("seed", [2**64, -(2**64)])
def test_a_seed_that_torch_cannot_take_is_refused(seed: int) -> None:
    assert refused(seed=seed).key == "seed"


def test_the_fewest_rounds_with_an_interval_are_accepted() -> None:
    validate(config(timing=TimingConfig(sessions=1, max_sessions=1, builds=1, rounds=1, null_every=0)))


def test_hidden_widths_stand_in_for_depth_and_width() -> None:
    validate(config(depth=None, width=None, hidden=[256, 128]))


@pytest.mark.parametrize(
    ("wanted", "value", "holds"),
    [
        (64, 64, True),
        (64, 65, False),
        ("64", 64, True),
        (">=64", 64, True),
        (">=64", 63, False),
        (" >= 64 ", 65, True),
        ("<=64", 64, True),
        ("<=64", 65, False),
        (">64", 64, False),
        (">64", 65, True),
        ("<64", 64, False),
        ("<64", 63, True),
        ("!=64", 64, False),
        ("!=64", 65, True),
        ([4, 64], 64, True),
        ([4, 64], 5, False),
        ([4, ">=64"], 128, True),
        ("script", "script", True),
        ("script", "trace", False),
        (["script", "trace"], "trace", True),
        (["script", "trace"], "eager", False),
    ],
)
def test_a_condition_holds_where_it_says(wanted: Any, value: int | str, holds: bool) -> None:
    assert matches(wanted, value) is holds


def test_what_only_names_the_run_does_not_belong_to_what_is_measured() -> None:
    first = config(out="here", resume="there", dry_run=True)
    assert measured_config(first) == measured_config(config())
    assert not set(RUN_KEYS) & set(measured_config(first))
    assert measured_config(config(seed=1)) != measured_config(config())
    assert measured_config(config(timing=TimingConfig(block_ms=3))) != measured_config(config())


SWEEPS = sorted(path.stem for path in (conf_directory() / "sweep").glob("*.yaml"))
TIMINGS = sorted(path.stem for path in (conf_directory() / "timing").glob("*.yaml"))


def compose_config(*overrides: str) -> Config:
    ConfigStore.instance().store(name="schema", node=Config)
    with initialize_config_dir(str(conf_directory()), version_base="1.3"):
        plain = OmegaConf.to_object(compose("config", overrides=list(overrides)))
    assert isinstance(plain, Config)
    return plain


def test_the_sweeps_that_are_promised_are_shipped() -> None:
    assert {"smoke", "dispatch", "hybridize", "scaling", "p3dn"} <= set(SWEEPS)
    assert {"quick", "normal", "precise"} <= set(TIMINGS)


@pytest.mark.parametrize("name", SWEEPS)
def test_every_sweep_shipped_is_valid(name: str) -> None:
    composed = validate(compose_config(f"sweep={name}"))
    assert composed.name == name
    assert {"eager", "all"} & {*composed.mode}, "without eager nothing has a speed-up"


@pytest.mark.parametrize("name", TIMINGS)
def test_every_timing_shipped_is_valid(name: str) -> None:
    validate(compose_config(f"timing={name}"))


@pytest.mark.parametrize("group", ["device", "launcher", "monitor"])
def test_every_option_of_the_other_groups_is_valid(group: str) -> None:
    for path in sorted((conf_directory() / group).glob("*.yaml")):
        validate(compose_config(f"{group}={path.stem}"))


@pytest.mark.parametrize("hz", [0, -1, 50.1, float("nan"), float("inf")])
def test_a_sampling_rate_that_nvml_cannot_serve_is_refused(hz: float) -> None:
    error = refused(monitor=MonitorConfig(hz=hz))
    assert error.key == "monitor.hz"
    assert "at most 50" in str(error)


@pytest.mark.parametrize("window_s", [-0.1, float("nan"), float("inf")])
def test_a_window_that_is_no_time_is_refused(window_s: float) -> None:
    assert refused(monitor=MonitorConfig(window_s=window_s)).key == "monitor.window_s"


def test_devices_and_host_are_sampled_unless_it_is_switched_off() -> None:
    monitors = {name: compose_config(f"monitor={name}").monitor for name in ("node", "ranks", "none")}
    assert compose_config().monitor == monitors["node"] == MonitorConfig()
    said = {name: (monitor.usage, monitor.sampler) for name, monitor in monitors.items()}
    assert said == {"node": (True, True), "ranks": (True, False), "none": (False, False)}
    # Nothing is held in steady state for samples that nobody takes.
    assert monitors["ranks"].window_s == monitors["none"].window_s == 0


def test_timings_differ_in_the_order_that_their_names_promise() -> None:
    quick, normal, precise = (compose_config(f"timing={n}").timing for n in ("quick", "normal", "precise"))
    assert quick.rel_width > normal.rel_width > precise.rel_width
    assert quick.max_cell_s < normal.max_cell_s < precise.max_cell_s


def test_the_default_sweep_is_dispatch() -> None:
    assert compose_config().name == "dispatch"


def test_an_override_of_timing_beats_what_a_sweep_brings() -> None:
    assert compose_config("sweep=hybridize").timing == compose_config("timing=precise").timing
    assert compose_config("sweep=hybridize", "timing=quick").timing == compose_config("timing=quick").timing
