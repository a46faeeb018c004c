"""Models of a sweep: what tells their points apart, and what of their configuration is refused."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from plans import CPU, plan_of

from harness.commands.composed.checked import checked
from harness.core.errors import ConfigError
from harness.plan.config import Config, ModelConfig
from harness.plan.executed import as_written, executed
from harness.plan.layout import make_plan
from harness.plan.points import Cell, Point
from harness.plan.recipe import Recipe

NAMED = ModelConfig(
    name="named", target="harness.models.named:build", inputs="harness.models.named:inputs", args={"width": 8}
)


def points(model: ModelConfig = NAMED, **changes: Any) -> tuple[Point, ...]:
    config = replace(Config(depth=None, width=None, mode=["eager"], model=model), **changes)
    return make_plan(config, CPU).points


class TestPoints:
    def test_an_mlps_key_is_what_it_was_before_there_were_other_models(self) -> None:
        point = plan_of(mode=["eager"]).points[0]
        assert point.recipe == Recipe()
        assert point.key == "70773b924cc2"

    def test_each_combination_of_what_is_swept_is_a_model(self) -> None:
        found = points(replace(NAMED, sweep={"width": [8, 16], "deep": [[1, 2], "x"]}))
        assert [point.model for point in found] == [
            "named width=8 deep=[1, 2]",
            'named width=8 deep="x"',
            "named width=16 deep=[1, 2]",
            'named width=16 deep="x"',
        ]
        assert json.loads(found[2].model_args) == {"width": 16, "deep": [1, 2]}
        assert len({point.key for point in found}) == 4
        assert len({Cell((point,)).id for point in found}) == 4

    def test_a_list_in_args_is_a_value(self) -> None:
        (point,) = points(replace(NAMED, args={"width": [8, 16]}))
        assert point.recipe.arguments == {"width": [8, 16]}

    def test_ones_own_is_called_by_what_makes_it(self) -> None:
        (point,) = points(replace(NAMED, name="custom"))
        assert point.model == "harness.models.named:build"

    @pytest.mark.parametrize(
        "change", [{"args": {"width": 9}}, {"loss": "a:b"}, {"optimizer": "a:b"}, {"inputs": "a:b"}]
    )
    def test_whatever_makes_another_model_makes_another_key(self, change: dict[str, Any]) -> None:
        assert points()[0].key != points(replace(NAMED, **change))[0].key

    def test_it_survives_json(self) -> None:
        (point,) = points()
        assert Point.from_dict(json.loads(json.dumps(asdict(point)))) == point

    def test_a_rule_on_depth_leaves_no_model_without_one_out(self) -> None:
        assert points(exclude=[{"depth": ">=1"}])
        assert (
            points(exclude=[{"depth": ">=1"}, {"mode": "script"}], mode=["eager", "script"])[0].mode
            == "eager"
        )


MODULE = """
def build(layers, width=64): ...
def inputs(batch, width=64): ...
def loose(**anything): ...
value = 3
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    name = f"users_model_{abs(hash(tmp_path))}"
    (tmp_path / f"{name}.py").write_text(MODULE, encoding="utf-8")
    return name


def own(module: str, *others: str) -> Config:
    named = {"model": "custom", "model.target": f"{module}:build", "model.inputs": f"{module}:inputs"}
    named |= {"devices": "[1]", "model.args": "{layers: 4}"}
    named |= dict(other.split("=", 1) for other in others)
    return checked([f"{key}={value}" for key, value in named.items()])[0]


class TestRefusals:
    def test_what_is_right_is_not_refused(self, module: str) -> None:
        assert own(module).model.args == {"layers": 4}
        assert own(module, f"model.target={module}.build").model.target == f"{module}.build"
        swept = own(module, "model.args={}", "model.sweep.layers=[2,3]", "model.sweep.width=[[4,5]]")
        assert list(dict.fromkeys(point.model for point in make_plan(swept, CPU).points)) == [
            f"{module}:build layers=2 width=[4, 5]",
            f"{module}:build layers=3 width=[4, 5]",
        ]
        assert own(module, f"model.target={module}:loose", "model.args={what: ever}").model.args == {
            "what": "ever"
        }

    @pytest.mark.parametrize(
        ("given", "key", "told"),
        [
            ("model.target=no_such_module_anywhere:build", "model.target", "ModuleNotFoundError"),
            ("model.target=build", "model.target", "package.module:name"),
            ("model.target={module}:bild", "model.target", "it has no bild"),
            ("model.target={module}:value", "model.target", "a callable (a int"),
            ("model.inputs=null", "model.inputs", "my_package.my_module:inputs"),
            ("model.args={layer: 4}", "model.args.layer", "the nearest: layers"),
            ("model.args={width: 4}", "model.args", "needs: layers too"),
            ("model.sweep.layers=[]", "model.sweep.layers", "at least one"),
            ("model.sweep.depth=[1]", "model.sweep.depth", "layers"),
            ("depth=[4]", "depth", "model.sweep"),
            ("model.loss=nonsense", "model.loss", "package.module:name"),
            ("model.what=1", "model.what", "target"),
        ],
    )
    def test_what_is_wrong_is_named_in_one_line(self, module: str, given: str, key: str, told: str) -> None:
        with pytest.raises(ConfigError) as caught:
            own(module, given.replace("{module}", module))
        assert caught.value.key == key
        assert told in str(caught.value)
        assert "\n" not in str(caught.value)

    def test_an_mlp_has_no_arguments(self) -> None:
        with pytest.raises(ConfigError, match="model=custom"):
            checked(["model.args={layers: 4}"])

    def test_a_sweeps_own_sizes_are_its_mlps(self) -> None:
        config, _ = checked(["model=named", "sweep=hybridize"])
        assert (config.hidden, config.in_features, config.depth) == (None, None, None)


def test_what_is_executed_of_a_users_own_is_said_and_what_is_torchs_is_not(module: str) -> None:
    config = own(module, "model.loss=torch.nn.functional.mse_loss", f"model.optimizer={module}:loose")
    said = {key: value for key, value in executed(config).items() if value}
    assert said == {
        "model.target": f"{module}:build",
        "model.inputs": f"{module}:inputs",
        "model.optimizer": f"{module}:loose",
    }
    assert as_written("model.target", said["model.target"]) == f"model.target={module}:build"
