"""Models that a recipe makes: parameters, inputs, losses, and what of their outcomes is held against eager's."""

from __future__ import annotations

import sys
from dataclasses import replace
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import nn

from harness.devices.device import Device
from harness.modes import Mode, get_mode
from harness.modes.example import Arguments
from harness.plan.points import Point
from harness.plan.recipe import Recipe
from harness.workloads.comparison import EXACT, TOLERANCE, difference
from harness.workloads.outcomes import Outcomes
from harness.workloads.workload import Forward, TrainAlone

pytestmark = pytest.mark.filterwarnings("ignore:.torch.jit", "ignore:`torch.jit")

OURS = "models_of_test_source"


class Dropping(nn.Module):
    """Draws random numbers while it is trained."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(8, 8)
        self.dropout = nn.Dropout(0.5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.dropout(self.linear(x))


class Several(nn.Module):
    """Called with tensors by name, one of them nested, and answers a dict."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.linear = nn.Linear(width, width)

    def forward(
        self, x: torch.Tensor, others: list[torch.Tensor], scale: float = 2.0
    ) -> dict[str, torch.Tensor]:
        total = self.linear(x) * scale + others[0]
        return {"total": total, "mean": total.mean()}


class Pair(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 4)

    def forward(self, left: torch.Tensor, numbers: torch.Tensor, shift: int = 1) -> torch.Tensor:
        return self.linear(left) + numbers.unsqueeze(1) * shift


class WithLoss(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 4)

    def forward(self, x: torch.Tensor) -> Any:
        output = ModuleType("output")
        output.loss = self.linear(x).sum()  # type: ignore[attr-defined]
        return output


def by_hand(output: torch.Tensor) -> torch.Tensor:
    return output.abs().sum()


@pytest.fixture(autouse=True)
def module(monkeypatch: pytest.MonkeyPatch) -> None:
    ours = ModuleType(OURS)
    named = {
        "linear": lambda width=4: nn.Linear(width, width),
        "rows": lambda batch, width=4: torch.randn(batch, width),
        "dropping": Dropping,
        "eights": lambda batch: torch.randn(batch, 8),
        "several": lambda width: Several(width),
        "named": lambda batch, width: {"x": torch.randn(batch, width), "others": [torch.ones(batch, width)]},
        "pair": Pair,
        "two": lambda batch: (torch.randn(batch, 4), torch.arange(batch)),
        "with_loss": WithLoss,
        "nothing": lambda: 3,
        "text": lambda batch: "text",
        "by_hand": by_hand,
        "fragile": Fragile,
        "alike": lambda batch: torch.ones(batch, 8) + 1e-5 * torch.randn(batch, 8),
    }
    for name, value in named.items():
        setattr(ours, name, value)
    monkeypatch.setitem(sys.modules, OURS, ours)


def point(build: str, inputs: str, args: str = "{}", **changes: Any) -> Point:
    more = {key: changes.pop(key) for key in ("loss", "optimizer", "targets") if key in changes}
    recipe = Recipe(f"{OURS}:{build}", f"{OURS}:{inputs}", args=args, **more)
    plain = Point(
        "x", (), None, None, 3, 1, "processes", "forward", "float32", "eager", "weak", recipe=recipe
    )
    return replace(plain, **changes)


class TestMade:
    def test_builds_and_ranks_share_parameters_and_ranks_have_inputs_of_their_own(self) -> None:
        first, second = (Forward(point("linear", "rows"), Device(), shard, seed=1) for shard in (0, 1))
        one, two, other = first.new_model(), first.new_model(), second.new_model()
        for a, b, c in zip(one.parameters(), two.parameters(), other.parameters(), strict=True):
            assert torch.equal(a, b)
            assert torch.equal(a, c)
            assert a.data_ptr() != b.data_ptr()
        assert not torch.equal(first.example, second.example)
        again = Forward(point("linear", "rows"), Device(), 0, seed=1)
        assert torch.equal(again.example, first.example)

    def test_arguments_reach_what_takes_them_and_the_dtype_what_floats(self) -> None:
        workload = Forward(point("linear", "rows", '{"width": 6}', dtype="float64"), Device(), 0, seed=1)
        assert (workload.example.shape, workload.example.dtype) == ((3, 6), torch.float64)
        assert workload.new_model().weight.shape == (6, 6)
        two = Forward(point("pair", "two", dtype="bfloat16"), Device(), 0, seed=1).example
        assert [each.dtype for each in two.args] == [torch.bfloat16, torch.int64]

    def test_a_seed_of_the_users_program_is_left_as_it_was(self) -> None:
        torch.manual_seed(5)
        before = torch.random.get_rng_state()
        Forward(point("linear", "rows"), Device(), 0, seed=1).new_model()
        assert torch.equal(torch.random.get_rng_state(), before)

    @pytest.mark.parametrize(
        ("build", "inputs", "told"), [("nothing", "rows", "int"), ("linear", "text", "str")]
    )
    def test_what_is_no_model_or_no_input_is_told(self, build: str, inputs: str, told: str) -> None:
        with pytest.raises(TypeError, match=rf"(answered|are) a {told}\b"):
            Forward(point(build, inputs), Device(), 0, seed=1)


class TestModes:
    """Several inputs, in their places and by name."""

    @pytest.mark.parametrize("mode", ["eager", "symbolic", "script", "trace", "frozen"])
    def test_a_tuple_is_arguments_in_their_places(self, mode: str) -> None:
        self.agree(point("pair", "two"), get_mode(mode))

    @pytest.mark.parametrize("mode", ["eager", "symbolic", "script", "trace", "frozen"])
    def test_a_dict_is_arguments_by_name(self, mode: str) -> None:
        workload = Forward(point("several", "named", '{"width": 4}'), Device(), 0, seed=1)
        assert isinstance(workload.example, Arguments)
        self.agree(point("several", "named", '{"width": 4}'), get_mode(mode))

    @pytest.mark.long
    @pytest.mark.parametrize("mode", ["compile", "aoti", "native"])
    def test_compilers_and_the_loop_take_them_too(self, mode: str) -> None:
        self.agree(point("pair", "two"), get_mode(mode))

    def agree(self, where: Point, mode: Mode) -> None:
        workload = Forward(where, Device(), 0, seed=1)
        with workload.context():
            step = workload.built(mode)
            for _ in range(4):
                assert Outcomes(workload).gap(step) <= TOLERANCE["float32"]


def losses(where: Point) -> list[torch.Tensor]:
    return (
        TrainAlone(replace(where, workload="train"), Device(), 0, seed=1).built(get_mode("eager")).outcome()
    )


class TestLosses:
    def test_without_a_name_it_is_the_mean_of_the_squares(self) -> None:
        where = replace(point("linear", "rows"), workload="train")
        workload = TrainAlone(where, Device(), 0, seed=1)
        model = workload.new_model()
        step = workload.prepare(get_mode("eager"), model)
        wanted = model(workload.example).square().mean()
        torch.testing.assert_close(step.outcome()[0], wanted.detach())

    def test_or_the_outputs_own(self) -> None:
        where = replace(point("with_loss", "rows"), workload="train")
        workload = TrainAlone(where, Device(), 0, seed=1)
        model = workload.new_model()
        step = workload.prepare(get_mode("eager"), model)
        wanted = model.linear(workload.example).sum()
        torch.testing.assert_close(step.outcome()[0], wanted.detach())

    def test_one_of_ones_own_is_given_the_output(self) -> None:
        where = point("linear", "rows", loss=f"{OURS}:by_hand")
        workload = TrainAlone(replace(where, workload="train"), Device(), 0, seed=1)
        model = workload.new_model()
        step = workload.prepare(get_mode("eager"), model)
        wanted = model(workload.example).abs().sum().detach()
        torch.testing.assert_close(step.outcome()[0], wanted)

    @pytest.mark.parametrize(
        "name", ["mse_loss", "cross_entropy", "binary_cross_entropy_with_logits", "smooth_l1_loss"]
    )
    def test_one_that_compares_is_given_numbers_like_the_output(self, name: str) -> None:
        loss, *gradients = losses(point("linear", "rows", loss=f"torch.nn.functional.{name}"))
        assert loss.isfinite()
        assert all(gradient.abs().sum() > 0 for gradient in gradients)

    def test_or_the_targets_that_are_named(self) -> None:
        where = point("linear", "rows", loss="torch.nn.functional.mse_loss", targets=f"{OURS}:rows")
        assert losses(where)[0] > 0.5  # normal numbers: further off than those between 0 and 1

    def test_the_optimizer_is_the_one_that_is_named(self) -> None:
        changed = []
        for name in ("torch.optim.SGD", "torch.optim.AdamW"):
            where = replace(point("linear", "rows", optimizer=name), workload="train")
            workload = TrainAlone(where, Device(), 0, seed=1)
            model = workload.new_model()
            before = model.weight.detach().clone()
            workload.prepare(get_mode("eager"), model).call()
            changed.append((model.weight.detach() - before).abs())
        assert changed[1].min() > 0.5e-4  # Adam's first step is the learning rate whatever the gradient is
        assert changed[0].std() > changed[1].std()


class OwnDraws(Mode):
    """Computes what eager does, and draws by another generator."""

    name, needs_python = "own_draws", True
    wrong = 0.0

    def prepare(self, model: Any, example: Any) -> nn.Module:
        wrong = self.wrong

        class Redrawn(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.model = model

            def forward(self, x: torch.Tensor) -> torch.Tensor:
                torch.rand(3)
                return self.model(x) * (1 + wrong)

        return Redrawn()


class TestRandomOutcomes:
    def workload(self) -> TrainAlone:
        return TrainAlone(replace(point("dropping", "eights"), workload="train"), Device(), 0, seed=1)

    def test_under_one_seed_they_are_the_same(self) -> None:
        workload = self.workload()
        outcomes = Outcomes(workload)
        assert outcomes.gap(workload.built(get_mode("eager"))) == 0
        assert outcomes.gap(workload.built(get_mode("symbolic"))) <= TOLERANCE["float32"]

    def test_they_are_known_to_be_random_and_others_not_to_be(self) -> None:
        assert Outcomes(self.workload()).draws()
        steady = TrainAlone(replace(point("linear", "rows"), workload="train"), Device(), 0, seed=1)
        assert not Outcomes(steady).draws()

    def test_a_mode_with_a_generator_of_its_own_is_compared_without_what_draws(self) -> None:
        workload, mode = self.workload(), OwnDraws()
        outcomes = Outcomes(workload)
        assert outcomes.gap(workload.built(mode)) > TOLERANCE["float32"]
        assert outcomes.exact_gap(mode, settled=True) <= EXACT

    def test_and_is_found_where_it_is_wrong(self) -> None:
        workload, mode = self.workload(), OwnDraws()
        mode.wrong = 0.1
        assert Outcomes(workload).exact_gap(mode, settled=True) > EXACT


class Fragile(nn.Module):
    """Normalises over two samples that are almost alike: what it makes of rounding is no rounding."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(8, 8)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out = self.linear(x)
        return (out - out.mean(0)) / out.std(0)


class Reordered(Mode):
    """Computes what eager does, in another order: 3 x = 2 x + x, but for rounding."""

    name, needs_python = "reordered", True
    wrong = 0.0

    def prepare(self, model: Any, example: Any) -> nn.Module:
        wrong = self.wrong

        class Other(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.model = model

            def forward(self, x: torch.Tensor) -> torch.Tensor:
                nearly = x * 3 * (1 / 3)  # off by a unit in the last place
                return self.model(nearly) * (1 + wrong)

        return Other()


def test_what_a_model_makes_of_rounding_is_told_from_what_is_wrong() -> None:
    workload, mode = Forward(point("fragile", "alike", batch=2), Device(), 0, seed=1), Reordered()
    with workload.context():
        outcomes = Outcomes(workload)
        assert outcomes.gap(workload.built(mode)) > TOLERANCE["float32"]
        assert outcomes.exact_gap(mode, settled=False) <= EXACT
        mode.wrong = 1e-3
        assert outcomes.exact_gap(mode, settled=False) > EXACT


def test_what_is_infinite_in_both_does_not_differ() -> None:
    masked = torch.tensor([1.0, float("-inf"), 2.0])
    assert difference([masked], [masked.clone()]) == 0
    assert difference([masked + torch.tensor([0.2, 0.0, 0.0])], [masked]) == pytest.approx(0.1)
    assert difference([torch.zeros(3)], [masked]) == float("inf")
    assert difference([torch.full((3,), float("nan"))], [masked]) == float("inf")


def test_a_gradient_that_is_rounding_alone_is_no_difference() -> None:
    loss, large, small = torch.tensor(2.0), torch.ones(3), torch.tensor([1e-8, -1e-8])
    assert difference([loss, large, -small], [loss, large, small]) < 1e-4
    assert difference([loss, large, small + 0.1], [loss, large, small]) > 0.05
    # A loss is no measure of gradients.
    assert difference([loss, small * 2], [loss, small]) == pytest.approx(1.0)
