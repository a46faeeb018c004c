"""The axis `environment`: which points there are, how they are called, what cannot be measured, how it is written."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from plans import CPU, FOUR_GPUS, POINT, plan_of

from harness.core.errors import ConfigError
from harness.environments.document import HERE
from harness.plan.allowed.environments import environments_of, is_driven
from harness.plan.config import Config
from harness.plan.inventory import Inventory
from harness.plan.points import Cell, remaining
from harness.plan.validate import validate

MINE = {"mine": {"python": "/usr/bin/python3"}}
EMULATED = Inventory("emulated", 8, "Test GPU", cores=32)


def named(given: Any) -> list[str]:
    return [each.name for each in environments_of(Config(environment=given))]


def reasons(inventory: Inventory = CPU, **changes: Any) -> set[str]:
    plan = plan_of(inventory, environment=MINE, **changes)
    return {plan.unsupported.get(point.key, "") for point in plan.points}


def test_at_its_default_a_point_has_the_key_and_the_cell_that_it_had_before_the_axis_came() -> None:
    assert (POINT.key, Cell((POINT,)).id) == ("4e6e3164e5cf", "d3fd764f2ff9")
    assert POINT.name == "eager"


def test_environments_share_the_cell_of_the_modes() -> None:
    (session,) = plan_of(environment=MINE, mode=["eager", "script"]).sessions
    (cell,) = session.cells
    assert [(p.environment, p.mode) for p in cell.points] == [
        ("here", "eager"), ("here", "script"), ("mine", "eager"), ("mine", "script"),
    ]  # fmt: skip
    assert len({p.key for p in cell.points}) == 4
    assert Cell(cell.points[:2]).id == Cell(cell.points[2:]).id
    assert [p.name for p in cell.points][2:] == ["eager in mine", "script in mine"]
    assert "mine" not in cell.label


@pytest.mark.parametrize(
    ("given", "names"),
    [
        (None, ["here"]),
        (["here"], ["here"]),
        ("here", ["here"]),
        (MINE, ["here", "mine"]),
        ({**MINE, "here": {}}, ["mine", "here"]),
        ({"here": {}, **MINE}, ["here", "mine"]),
        (["here", MINE], ["here", "mine"]),
        ([MINE], ["mine"]),
    ],
)
def test_what_is_named(given: Any, names: list[str]) -> None:
    assert named(given) == names
    assert is_driven(environments_of(Config(environment=given))) == (names != ["here"])


@pytest.mark.parametrize("given", [[], "her", "", 3, [3], ["here", "here"], {"mine": 3}, ["no-such-one"]])
def test_what_is_no_environment_is_refused(given: Any) -> None:
    with pytest.raises(ConfigError) as caught:
        validate(Config(depth=[2], width=[8], environment=given))
    assert caught.value.key.startswith("environment")


def test_a_rule_leaves_an_environment_out_and_knows_their_names() -> None:
    rule = [{"environment": "mine", "mode": "script"}]
    plan = plan_of(environment=MINE, mode=["eager", "script"], exclude=rule)
    assert [point.name for point in plan.points] == ["eager", "script", "eager in mine"]
    wrong = Config(depth=[2], width=[8], environment=MINE, exclude=[{"environment": "mime"}])
    with pytest.raises(ConfigError, match="the nearest: mine"):
        validate(wrong)


def test_what_a_driver_does_not_do_is_a_row_with_the_reason_for_here_too() -> None:
    assert reasons() == {""}
    assert reasons(FOUR_GPUS) == {""}
    assert {reason.split(",")[0] for reason in reasons(devices=[2])} == {"where environments are swept"}
    assert "one device, not on 2" in reasons(devices=[2]).pop()
    assert "process of its own" in reasons(controller=["threads"]).pop()
    assert "modes are eager" in reasons(mode=["native"]).pop()
    assert "no outputs could be compared" in reasons(EMULATED).pop()


def test_here_alone_is_measured_as_ever() -> None:
    assert not plan_of(environment=["here"], devices=[2], mode=["eager"]).unsupported
    assert environments_of(Config()) == (HERE,)


def test_what_is_lacking_is_measured_again_beside_what_it_is_compared_with() -> None:
    plan = plan_of(environment=MINE, mode=["eager", "script", "trace"])
    by_name = {point.name: point for point in plan.points}
    done = {point.key for name, point in by_name.items() if name != "script in mine"}
    ((cell,),) = [session.cells for session in remaining(plan, done).sessions]
    assert {p.name for p in cell.points} == {"script", "eager in mine", "script in mine"}
    done = {point.key for name, point in by_name.items() if name != "trace"}
    ((cell,),) = [session.cells for session in remaining(plan, done).sessions]
    assert {p.name for p in cell.points} == {"eager", "trace"}


def test_a_point_survives_json() -> None:
    import json
    from dataclasses import asdict

    point = replace(POINT, environment="mine")
    assert type(point).from_dict(json.loads(json.dumps(asdict(point)))) == point
