"""The model that is swept: the same on every rank, and alive through all of its layers."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from harness.models.mlp import MLP, build_batch, build_model

CPU = torch.device("cpu")
DEEP = (64,) * 65


def model_of(sizes=DEEP, dtype: str = "float32", seed: int = 0) -> MLP:
    return build_model(sizes, dtype=dtype, device=CPU, seed=seed)


def batch_of(samples: int, features: int = 64, classes: int = 64, dtype: str = "float32", seed: int = 1):
    return build_batch(samples, features, classes, dtype=dtype, device=CPU, seed=seed)


def test_the_layers_have_the_widths_asked_for_with_relu_between() -> None:
    layers = list(model_of((512, 256, 128, 2)))
    assert [type(layer) for layer in layers] == [nn.Linear, nn.ReLU, nn.Linear, nn.ReLU, nn.Linear]
    shapes = [(x.in_features, x.out_features) for x in layers if isinstance(x, nn.Linear)]
    assert shapes == [(512, 256), (256, 128), (128, 2)]


def test_a_single_layer_has_no_relu() -> None:
    assert [type(layer) for layer in model_of((8, 4))] == [nn.Linear]


def test_the_same_seed_gives_the_same_parameters_whatever_ran_before() -> None:
    first = model_of((6, 8, 3), seed=5)
    torch.rand(17)
    second, other = model_of((6, 8, 3), seed=5), model_of((6, 8, 3), seed=6)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
    assert not any(torch.equal(a, b) for a, b in zip(first.parameters(), other.parameters(), strict=True))


def test_half_precision_has_the_rounded_parameters_of_single() -> None:
    """So that a sweep over dtype compares one model with itself."""
    single, half = model_of((6, 8, 3)), model_of((6, 8, 3), dtype="bfloat16")
    for a, b in zip(single.parameters(), half.parameters(), strict=True):
        assert torch.equal(a.to(torch.bfloat16), b)


@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16"])
def test_the_output_of_64_layers_is_of_order_one(dtype: str) -> None:
    outputs = model_of(dtype=dtype)(batch_of(32, dtype=dtype)[0])
    assert outputs.dtype == getattr(torch, dtype)
    assert 0.03 < outputs.float().std().item() < 30


def test_the_output_of_64_layers_depends_on_the_input() -> None:
    """Else comparing the outputs of modes would prove nothing: most of it would be bias."""
    model = model_of()
    outputs = [model(batch_of(1, seed=seed)[0]) for seed in (1, 2)]
    assert (outputs[0] - outputs[1]).abs().max() > 0.05 * outputs[0].abs().max()


def test_the_output_of_64_layers_depends_on_each_of_them() -> None:
    inputs, _ = batch_of(4)
    before = model_of()(inputs)
    for index in (0, 64, 126):
        model = model_of()
        with torch.no_grad():
            model[index].weight.mul_(-1)
        assert (model(inputs) - before).abs().max() > 0.05 * before.abs().max()


def test_the_gradients_of_64_layers_are_normal_numbers() -> None:
    """Denormal numbers slow a CPU many times: the step time would be that of rounding's edge."""
    model = model_of()
    inputs, labels = batch_of(16)
    nn.functional.cross_entropy(model(inputs), labels).backward()
    for parameter in model.parameters():
        values = parameter.grad.abs()
        assert values.max() > 0
        assert not ((values > 0) & (values < torch.finfo(torch.float32).tiny)).any()


def test_a_batch_has_its_shape_and_labels_within_the_classes() -> None:
    inputs, labels = batch_of(100, features=5, classes=3, dtype="float64")
    assert (inputs.shape, inputs.dtype) == ((100, 5), torch.float64)
    assert labels.shape == (100,)
    assert set(labels.tolist()) == {0, 1, 2}


def test_each_seed_has_a_batch_of_its_own_and_always_the_same() -> None:
    first, again, other = batch_of(4, seed=1), batch_of(4, seed=1), batch_of(4, seed=2)
    assert torch.equal(first[0], again[0]) and torch.equal(first[1], again[1])
    assert not torch.equal(first[0], other[0])


def test_building_leaves_the_global_generator_of_inputs_alone() -> None:
    """Inputs come from a generator of their own, so ranks cannot drift apart by what ran before."""
    torch.manual_seed(0)
    first = batch_of(4)[0]
    torch.rand(100)
    assert torch.equal(batch_of(4)[0], first)
