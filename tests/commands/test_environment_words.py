"""What stands at the key `environment` is a mapping to Hydra, to which a name would be a file of a group."""

from __future__ import annotations

from pathlib import Path

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from harness.commands.composed.arguments import GIVEN_ENVIRONMENT, for_hydra
from harness.commands.composed.checked import checked
from harness.core.errors import HarnessError
from harness.plan.allowed.environments import environments_of


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
    assert override.key_or_group == GIVEN_ENVIRONMENT
    assert override.value() == meant


def test_with_several_runs_each_word_is_an_environment() -> None:
    words = for_hydra(["-m", "environment=here,torch-2.13"])
    assert words == ["-m", "++given_environment={here: {}},{torch-2.13: {}}"]


@pytest.mark.parametrize("swept", ["[here, torch-2.13]", "{mine: {python: /mine}}", "here, torch-2.13"])
@pytest.mark.parametrize(
    ("word", "names"),
    [
        ("environment={other: {python: /other}}", ["here", "other"]),
        ("environment=[here]", ["here"]),
        ("+environment=[torch-2.14,{other: {python: /other}}]", ["here", "torch-2.14", "other"]),
        ("environment=null", ["here"]),
    ],
)
def test_what_is_named_takes_the_place_of_whatever_the_sweep_names(
    tmp_path: Path, swept: str, word: str, names: list[str]
) -> None:
    (tmp_path / "sweep").mkdir()
    (tmp_path / "sweep" / "own.yaml").write_text(
        f"# @package _global_\ndepth: [1]\nwidth: [8]\nenvironment: {swept}\n"
    )
    # As --config-dir has it.
    config, _ = checked(["sweep=own", word, f"hydra.searchpath=[file://{tmp_path}]"])
    assert [each.name for each in environments_of(config)] == names


@pytest.mark.parametrize(
    "word", ["environment={x: 1", "environment={x: 1}", "environment={mine: {pyhton: /a}}"]
)
def test_what_is_refused_is_told_with_the_key_that_was_typed(word: str) -> None:
    with pytest.raises(HarnessError) as caught:
        checked([word])
    assert str(caught.value).startswith("environment") and "given" not in str(caught.value)
