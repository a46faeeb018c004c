"""What stands at the key `environment` is a mapping to Hydra, to which a name would be a file of a group."""

from __future__ import annotations

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from harness.commands.composed.arguments import for_hydra


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("torch-2.13", {"torch-2.13": {}}),
        ("[here,torch-2.13]", {"here": {}, "torch-2.13": {}}),
        ("[here, python-3.13t]", {"here": {}, "python-3.13t": {}}),
        ("{mine: {python: /opt/mine/bin/python}}", {"mine": {"python": "/opt/mine/bin/python"}}),
        (
            "[here,{mine: {python: /opt/mine/bin/python, variables: {A: 1, B: 2}}},torch-2.13]",
            {
                "here": {},
                "mine": {"python": "/opt/mine/bin/python", "variables": {"A": 1, "B": 2}},
                "torch-2.13": {},
            },
        ),
        (
            "{a: {requirements: ['torch==2.13.0', 'six==1.16.0']}}",
            {"a": {"requirements": ["torch==2.13.0", "six==1.16.0"]}},
        ),
    ],
)
def test_names_and_descriptions_are_a_mapping(word: str, meant: object) -> None:
    (override,) = OverridesParser.create().parse_overrides(for_hydra([f"environment={word}"]))
    assert override.key_or_group == "environment"
    assert override.value() == meant


def test_with_several_runs_each_word_is_an_environment() -> None:
    words = for_hydra(["-m", "environment=here,torch-2.13"])
    assert words == ["-m", "environment={here: {}},{torch-2.13: {}}"]
