"""Keys that name code, an interpreter or what is installed are marked: of a resumed run they hold when named again."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any

import pytest

from harness.plan.config import DESCRIBED, Config, ModelConfig
from harness.plan.executed import as_written, executed, marked_keys

MARKED = {
    "plugins",
    *(f"model.{key}" for key in ("target", "inputs", "targets", "loss", "optimizer")),
    "launcher.srun_args",
}
# Every other key of a Config that can hold a text, and what it is: whoever adds one decides to which it belongs.
PLAIN = {
    **dict.fromkeys(("mode", "controller", "workload", "dtype", "autograd", "scaling"), "words of ours"),
    **dict.fromkeys(("device.kind", "launcher.kind", "emulator"), "words of ours, and figures"),
    **dict.fromkeys(("name", "model.name", "shard"), "names of folders and rows, numbers"),
    **dict.fromkeys(
        ("out", "resume", "like"), "folders that are read or written, and named on the command line"
    ),
    **dict.fromkeys(("exclude", "model.args", "model.sweep"), "plain values that are compared, or handed on"),
}


def texts(part: Any, prefix: str = "") -> set[str]:
    """Keys that can hold a text, by their types."""
    found = set()
    for each in fields(part):
        value = getattr(part, each.name)
        if is_dataclass(value):
            found |= texts(value, f"{prefix}{each.name}.")
        elif any(word in str(each.type) for word in ("str", "Any", "Profile")):
            found.add(f"{prefix}{each.name}")
    return found


def test_every_key_that_can_hold_a_text_is_marked_or_known_to_have_nothing_executed() -> None:
    marked = set(marked_keys(Config()))
    assert marked >= MARKED
    assert not marked & set(PLAIN)
    assert texts(Config()) == marked | set(PLAIN)


def test_a_marked_key_that_is_empty_has_nothing_executed() -> None:
    assert not any(executed(Config()).values())


def test_names_of_ours_and_of_torchs_are_nobody_elses() -> None:
    own = Config(model=ModelConfig(target="harness.models.mlp:build", loss="torch.nn.functional.mse_loss"))
    assert not any(executed(own).values())
    assert executed(Config(model=ModelConfig(target="evil:build")))["model.target"] == "evil:build"


@dataclass
class WithEnvironments(Config):
    """A Config with an axis of names and descriptions."""

    environment: Any = field(default_factory=dict, metadata=DESCRIBED)


MINE = {"python": "/opt/mine/bin/python"}


@pytest.mark.parametrize(
    ("given", "foreign"),
    [
        ({}, {}),
        (["here"], {}),
        ({"here": {}, "torch-2.13": {}}, {}),
        (["here", "torch-2.13"], {}),
        ("torch-2.13", {}),
        ({"here": None, "mine": MINE}, {"mine": MINE}),
        (["here", {"mine": MINE}], {"mine": MINE}),
    ],
)
def test_of_environments_those_that_are_described_on_the_spot_are_somebody_elses(
    given: Any, foreign: dict[str, Any]
) -> None:
    config = WithEnvironments(environment=given)
    assert "environment" in marked_keys(config)
    assert executed(config)["environment"] == foreign


def test_a_description_is_written_as_hydra_reads_it() -> None:
    from hydra.core.override_parser.overrides_parser import OverridesParser

    given = {
        "mine-3.12": {
            "python": "/it's here/python",
            "requirements": ["torch==2.13.0", "a[b]==1"],
            "variables": {"A": 1, "B": "true"},
        }
    }
    written = as_written("environment", given)
    (override,) = OverridesParser.create().parse_overrides([written])
    assert override.value() == given
