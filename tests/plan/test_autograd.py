"""The axis `autograd`: which points there are, what they are called, and what cannot run."""

from __future__ import annotations

from dataclasses import replace

import pytest
from plans import POINT, plan_of

from harness.core import axes
from harness.core.errors import ConfigError
from harness.modes import get_mode
from harness.plan.allowed.words import AUTOGRADS
from harness.plan.config import Config
from harness.plan.points import Cell, Point
from harness.plan.validate import validate

ALL = ["grad", "no_grad", "inference", "inference_model"]


def places(**changes: object) -> list[tuple[str, str]]:
    return [(p.workload, p.autograd) for p in plan_of(mode=["eager"], **changes).points]


def test_at_its_default_a_point_has_the_key_and_the_cell_that_it_had_before_the_axis_came() -> None:
    """As the versions before wrote them down: a run of theirs is gone on with."""
    assert (POINT.key, Cell((POINT,)).id) == ("4e6e3164e5cf", "d3fd764f2ff9")
    assert "autograd" not in Cell((POINT,)).label


def test_at_another_value_it_has_others() -> None:
    others = [replace(POINT, autograd=value) for value in ALL]
    assert len({point.key for point in others}) == len({Cell((point,)).id for point in others}) == len(ALL)
    assert "autograd grad" in Cell((others[0],)).label


def test_a_point_that_was_written_down_before_the_axis_came_has_its_default() -> None:
    plain = {name: getattr(POINT, name) for name in POINT.__dataclass_fields__ if name != axes.AUTOGRAD}
    assert Point.from_dict(plain) == POINT


def test_every_value_is_a_cell_of_its_own_with_eager_in_it() -> None:
    (session,) = plan_of(autograd=ALL, mode=["eager", "script"]).sessions
    assert [{p.autograd for p in cell.points} for cell in session.cells] == [{value} for value in ALL]
    assert all({p.mode for p in cell.points} == {"eager", "script"} for cell in session.cells)


def test_a_training_step_is_one_point_whatever_forward_runs_under() -> None:
    assert places(workload=["forward", "train"], autograd=["grad", "inference"]) == [
        ("forward", "grad"),
        ("forward", "inference"),
        ("train", "inference"),
    ]


def test_where_all_is_training_another_value_is_refused() -> None:
    config = Config(depth=[2], width=[8], workload=["train"], autograd=["grad"])
    with pytest.raises(ConfigError) as caught:
        validate(config)
    assert caught.value.key == "autograd" and "always records" in caught.value.allowed
    validate(replace(config, workload=["forward", "train"]))
    validate(replace(config, autograd=["inference"]))


def test_a_wrong_value_is_refused_with_the_nearest() -> None:
    with pytest.raises(ConfigError) as caught:
        validate(Config(depth=[2], width=[8], autograd=["no-grad"]))
    assert caught.value.value == "no-grad" and "(the nearest: no_grad)" in caught.value.allowed


def test_a_rule_leaves_a_value_out_and_never_a_training_step() -> None:
    rule = [{"autograd": ["inference", "no_grad"]}]
    assert places(workload=["forward", "train"], autograd=ALL, exclude=rule) == [
        ("forward", "grad"),
        ("forward", "inference_model"),
        ("train", "inference"),
    ]


def test_the_values_are_those_that_the_documents_name() -> None:
    assert list(AUTOGRADS) == ALL
    assert axes.DEFAULTS[axes.AUTOGRAD] in AUTOGRADS


# Mode -> values under which its forward does something else than they say.
CANNOT = {
    "frozen": {"grad"},
    "aoti": {"grad"},
    "cudagraph": {"grad"},
    "compile_graphs": {"grad"},
    "native": {"grad", "no_grad", "inference_model"},
}


@pytest.mark.parametrize("mode", ["eager", "symbolic", "script", "trace", "compile", *CANNOT])
def test_a_mode_says_which_values_it_cannot_do(mode: str) -> None:
    told = {value for value in ALL if get_mode(mode).unsupported_autograd(value)}
    assert told == CANNOT.get(mode, set())


def test_what_a_mode_cannot_do_is_a_row_with_the_reason_and_its_training_is_left_alone() -> None:
    plan = plan_of(autograd=["grad", "inference"], workload=["forward", "train"], mode=["eager", "frozen"])
    reasons = {
        (p.workload, p.autograd): plan.unsupported.get(p.key, "") for p in plan.points if p.mode == "frozen"
    }
    assert "nothing to record" in reasons["forward", "grad"]
    assert reasons["forward", "inference"] == ""
    assert "cannot be trained" in reasons["train", "inference"]
