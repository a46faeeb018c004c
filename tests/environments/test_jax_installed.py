"""JAX as conf/environment/jax.yaml installs it: every mode against plain numbers and eager PyTorch."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.environments.document import HERE, Environment, named_environment
from harness.environments.driving import Driver, DriverError, Task
from harness.environments.interpreter import Interpreter, create
from harness.environments.pythons import find_python

pytestmark = pytest.mark.long
SIZES, BATCH = (40, 30, 20, 3), 4
MODES = ("eager", "jit", "aot")


def task(framework: str, mode: str, workload: str = "forward", **changed: str) -> Task:
    given = {"dtype": "float32", "autograd": "inference", **changed}
    return Task(framework, mode, workload, SIZES, BATCH, given["dtype"], given["autograd"], 3)


@pytest.fixture(scope="module")
def jax(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Driver]:
    described = named_environment("jax")
    if find_python(described.python) is None:
        pytest.skip(f"no Python {described.python} here")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HARNESS_ENVIRONMENTS", str(tmp_path_factory.mktemp("environments") / "kept"))
        found = Driver(create(described, lambda text: None), timeout_s=300)
        yield found
        found.close()


@pytest.fixture(scope="module")
def plain() -> Iterator[Driver]:
    environment = Environment("plain", "plain", sys.executable, (), {})
    found = Driver(Interpreter(environment, Path(sys.executable)))
    yield found
    found.close()


@pytest.fixture(scope="module")
def torch() -> Iterator[Driver]:
    found = Driver(Interpreter(HERE, Path(sys.executable)))
    yield found
    found.close()


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("dtype", "within"), [("float32", 1e-5), ("float64", 1e-12)])
def test_outputs_are_those_of_plain_numbers(
    jax: Driver, plain: Driver, mode: str, dtype: str, within: float
) -> None:
    (ours,) = jax.prepare(task("jax", mode, dtype=dtype))
    (wanted,) = plain.prepare(task("plain", "eager", dtype=dtype))
    assert ours == pytest.approx(wanted, rel=within, abs=within)
    assert jax.timed(5).wall_ns > 0


@pytest.mark.parametrize("mode", MODES)
def test_loss_and_gradients_are_those_of_torch(jax: Driver, torch: Driver, mode: str) -> None:
    ours = jax.prepare(task("jax", mode, "train"))
    wanted = torch.prepare(task("torch", "eager", "train"))
    assert [len(each) for each in ours] == [len(each) for each in wanted]
    for a, b in zip(ours, wanted, strict=True):
        assert a == pytest.approx(b, rel=1e-4, abs=1e-5)
    assert jax.timed(5).wall_ns > 0


@pytest.mark.parametrize("mode", ["jit", "aot"])
def test_a_program_is_saved_and_loaded_again(jax: Driver, tmp_path: Path, mode: str) -> None:
    (outcome,) = jax.prepare(task("jax", mode))
    saved = jax.serialised(tmp_path)
    assert saved.outcome[0] == pytest.approx(outcome, rel=1e-6, abs=1e-6)
    assert saved.bytes == sum(path.stat().st_size for path in tmp_path.iterdir())


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        (task("jax", "script"), "jax has no mode script"),
        (task("jax", "jit", autograd="grad"), "records nothing"),
    ],
)
def test_what_it_has_not_is_unsupported_with_the_reason(jax: Driver, asked: Task, why: str) -> None:
    with pytest.raises(DriverError, match=why) as found:
        jax.prepare(asked)
    assert found.value.status == "unsupported"


def test_it_says_what_it_is(jax: Driver) -> None:
    assert jax.facts["framework"].startswith("jax 0.") and jax.facts["threads"] == "1"
    assert "--xla_cpu_multi_thread_eigen=false" in jax.facts["xla_flags"]
