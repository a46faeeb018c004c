"""The models that are shipped: what they answer, and what their configurations say of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from plans import CPU as INVENTORY

from harness.commands.composed.checked import checked
from harness.plan.config import conf_directory
from harness.plan.layout import make_plan
from harness.plan.lookup import find, taken

FILES = sorted((conf_directory() / "model").glob("*.yaml"))
MADE = [file.stem for file in FILES if file.stem not in ("mlp", "custom")]
SMALL = [name for name in MADE if not name.endswith("_large")]
# What each answers for a batch of 3.
SHAPES = {"dlrm": (3, 1), "nerf": (3, 4), "named": (3, 1024)}


def settings(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((conf_directory() / "model" / f"{name}.yaml").read_text())
    return found


def built(name: str, **others: Any) -> torch.nn.Module:
    conf = settings(name)
    build = find(conf["target"])
    return build(**taken(build, conf["args"] | others))


def called(name: str, batch: int, **others: Any) -> Any:
    conf = settings(name)
    inputs = find(conf["inputs"])
    return inputs(batch, **taken(inputs, conf["args"] | others, 1))


def run(model: torch.nn.Module, inputs: Any) -> torch.Tensor:
    if isinstance(inputs, dict):
        return model(**inputs)
    return model(*inputs) if isinstance(inputs, tuple) else model(inputs)


def test_each_has_a_small_and_a_large_setting() -> None:
    assert {f"{name}_large" for name in SMALL} == {name for name in MADE if name.endswith("_large")}
    assert set(SMALL) == {"convnet", "transformer", "lstm", "dlrm", "nerf", "mixer", "named"}


@pytest.mark.parametrize("name", SMALL)
def test_a_model_answers_one_row_a_sample_and_is_trained(name: str) -> None:
    torch.manual_seed(1)
    conf, model = settings(name), built(name)
    output = run(model, called(name, 3))
    assert tuple(output.shape) == SHAPES.get(name, (3, 10))
    targets = find(conf["targets"])
    loss = find(conf["loss"])(output, targets(3, **taken(targets, conf["args"], 1)))
    loss.backward()
    assert loss.ndim == 0
    assert loss.isfinite()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())


@pytest.mark.parametrize("name", SMALL)
def test_the_large_setting_is_the_same_model_and_larger(name: str) -> None:
    small, large = settings(name), settings(f"{name}_large")
    assert {key: small[key] for key in small if key != "args"} == {
        key: large[key] for key in large if key != "args"
    }
    with torch.device("meta"):
        sizes = [sum(p.numel() for p in built(each).parameters()) for each in (name, f"{name}_large")]
    assert sizes[1] > 4 * sizes[0]


def test_an_lstm_step_by_step_is_the_whole_one() -> None:
    whole, cells = built("lstm", layers=2), built("lstm", layers=2, cells=True)
    with torch.no_grad():
        for layer, cell in enumerate(cells.cells):
            for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
                getattr(cell, kind).copy_(getattr(whole.lstm, f"{kind}_l{layer}"))
        cells.head.load_state_dict(whole.head.state_dict())
        inputs = called("lstm", 3)
        torch.testing.assert_close(cells(inputs), whole(inputs))


def test_attention_is_what_its_formula_says() -> None:
    block = built("transformer", layers=1).blocks[0]
    x = torch.randn(2, 32, 64)
    with torch.no_grad():
        parts = block.queries_keys_values(block.before_attention(x)).reshape(2, 32, 3, 4, 16)
        q, k, v = (parts[:, :, part].transpose(1, 2) for part in range(3))
        attended = ((q @ k.transpose(-1, -2)) / 4).softmax(-1) @ v
        after = x + block.attended(attended.transpose(1, 2).reshape(2, 32, 64))
        torch.testing.assert_close(block(x), after + block.perceptron(block.before_perceptron(after)))


def test_dlrm_multiplies_each_pair_once() -> None:
    model = built("dlrm", tables=3)
    pairs = set(zip(model.first.tolist(), model.second.tolist(), strict=True))
    assert pairs == {(1, 0), (2, 0), (2, 1), (3, 0), (3, 1), (3, 2)}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_the_command_line_takes_it(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    if file.stem == "custom":
        (tmp_path / "model_of_test_shipped.py").write_text(
            "def build(): ...\ndef inputs(batch): ...\n", encoding="utf-8"
        )
        named = ["model.target=model_of_test_shipped:build", "model.inputs=model_of_test_shipped:inputs"]
    else:
        named = []
    config, _ = checked([f"model={file.stem}", "devices=[1]", "batch=[4]", *named])
    points = make_plan(config, INVENTORY).points
    if file.stem != "mlp":
        assert {(point.depth, point.width, point.sizes) for point in points} == {(None, None, ())}
