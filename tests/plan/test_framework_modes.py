"""The axis `mode` where environments have frameworks of their own: its words, `all`, and what a framework lacks."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from plans import CPU, FOUR_GPUS, POINT, plan_of

from harness.core.errors import ConfigError
from harness.core.schema import IMPERATIVE, REFERENCE_MODE, STYLE_OF_TORCH, STYLES, SYMBOLIC
from harness.environments.document import HERE
from harness.environments.driven import MODES
from harness.environments.driving.driver import FRAMEWORKS as FILES
from harness.environments.frameworks import FRAMEWORKS, modes_of_others
from harness.modes import mode_names
from harness.plan.allowed.environments import environments_of
from harness.plan.allowed.modes import said_of
from harness.plan.config import Config
from harness.plan.inventory import Inventory
from harness.plan.points import remaining
from harness.plan.validate import validate

JAX = {"j": {"python": "/usr/bin/python3", "framework": "jax"}}
KERAS = {"k": {"python": "/usr/bin/python3", "framework": "keras"}}


def names(**changes: Any) -> list[str]:
    return [point.name for point in plan_of(**changes).points]


def refused(**changes: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        validate(Config(depth=[2], width=[8], **changes))
    return str(caught.value)


def reasons(inventory: Inventory = CPU, **changes: Any) -> dict[str, str]:
    plan = plan_of(inventory, **changes)
    return {point.name: plan.unsupported.get(point.key, "") for point in plan.points}


def test_all_is_of_each_environment_what_its_framework_has() -> None:
    assert names(environment=JAX, mode=["all"]) == [*MODES, "eager in j", "jit in j", "aot in j"]
    assert not plan_of(environment=JAX, mode=["all"]).unsupported


def test_points_of_all_carry_real_modes_and_are_gone_on_with() -> None:
    plan = plan_of(environment=JAX, mode=["all"])
    named = plan_of(environment=JAX, mode=["jit"])
    assert {p.key for p in plan.points} >= {p.key for p in named.points} - set(named.unsupported)
    done = {point.key for point in plan.points if point.name != "jit in j"}
    left = remaining(plan, done)
    assert {p.name for s in left.sessions for c in s.cells for p in c.points} == {"eager in j", "jit in j"}
    assert left.framework(replace(POINT, environment="j")) == "jax" and left.framework(POINT) == "torch"


def test_a_mode_that_a_framework_lacks_is_a_row_with_the_reason() -> None:
    said = reasons(environment=JAX, mode=["eager", "jit", "script"])
    assert said["eager in j"] == said["jit in j"] == said["eager"] == said["script"] == ""
    assert "JAX's modes are eager, jit, aot" in said["script in j"]
    assert "PyTorch's modes are eager" in said["jit"]
    near = reasons(
        environment={"m": {"python": "/usr/bin/python3", "framework": "mxnet"}}, mode=["hybridize_static"]
    )
    assert near["hybridize_static in m"] == ""
    both = {**JAX, "m": {"python": "/usr/bin/python3", "framework": "pytensor"}}
    assert "the nearest: graph_c" in reasons(environment=both, mode=["graph"])["graph in m"]


def test_words_of_other_frameworks_are_none_where_nothing_is_driven() -> None:
    assert "the nearest: script" in refused(mode=["jit"])
    assert "hybridize" not in refused(mode=["hybridise"])
    assert "the nearest: hybridize" in refused(mode=["hybridise"], environment=JAX)
    assert "beside other environments" in refused(mode=["all"])


def test_all_stands_by_itself() -> None:
    assert "by itself" in refused(mode=["all", "eager"], environment=JAX)


def test_rules_know_the_modes_of_other_frameworks() -> None:
    rule = [{"environment": "j", "mode": "aot"}]
    validate(Config(depth=[2], width=[8], mode=["all"], environment=JAX, exclude=rule))
    assert "aot in j" not in names(environment=JAX, mode=["all"], exclude=rule)


def test_what_another_framework_does_not_do_is_said_before_it_is_started() -> None:
    said = reasons(environment=KERAS, mode=["all"], workload=["train"])
    assert "predict_on_batch" in said["predict in k"] and said["function in k"] == ""
    assert "device=cpu" in reasons(FOUR_GPUS, environment=JAX, mode=["jit"])["jit in j"]
    assert "torch's" in reasons(environment=JAX, mode=["jit"], autograd=["grad"])["jit in j"]


def test_a_framework_that_nobody_knows_is_left_to_its_driver() -> None:
    mine = {"mine": {"python": "/usr/bin/python3", "framework": "numpy"}}
    assert names(environment=mine, mode=["all"])[-1] == "eager in mine"


def test_a_text_of_names_is_a_list_of_them() -> None:
    assert environments_of(Config(environment=" here, torch-2.13 "))[0] == HERE
    assert [each.name for each in environments_of(Config(environment="here,torch-2.13"))] == [
        "here",
        "torch-2.13",
    ]


def test_the_table_is_of_one_piece() -> None:
    for framework in FRAMEWORKS.values():
        assert len(set(framework.modes)) == len(framework.modes)
        for way in framework.ways:
            assert way.style in STYLES and way.call
            assert (way.mode == REFERENCE_MODE) == (way.style == IMPERATIVE)
    assert set(STYLE_OF_TORCH) == set(mode_names()) and not set(modes_of_others()) & set(mode_names())
    assert {way.style for name in ("pytensor", "cntk") for way in FRAMEWORKS[name].ways} == {SYMBOLIC}


def test_what_is_driven_stands_in_the_table() -> None:
    from pathlib import Path

    there = {path.stem for path in Path(FILES).glob("[!_]*.py")}
    assert there <= set(FRAMEWORKS)


def test_a_mode_says_of_itself_what_its_framework_knows() -> None:
    assert said_of(POINT).style == IMPERATIVE and said_of(POINT).needs_python
    jit = said_of(replace(POINT, mode="jit"), "jax")
    assert (jit.style, jit.needs_python) == ("hybrid", False)
    assert said_of(replace(POINT, mode="jit")).style == ""
