"""The loop in C++: it computes what the scripted model does, and Python runs meanwhile."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest
import torch
from torch import nn

from harness.models.mlp import build_batch, build_model
from harness.modes import native_build
from harness.modes.native_loop import NativeError, NativeLoop, problem
from harness.workloads.comparison import TOLERANCE, difference

pytestmark = [
    pytest.mark.skipif(problem() is not None, reason=str(problem())),
    pytest.mark.filterwarnings("ignore:`torch.jit"),
]
CPU = torch.device("cpu")


class Adding(nn.Module):
    """Adds one to its input in place, so that calls can be counted from outside."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.add_(1)


class Doubling(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.mul_(2)


class Waiting(nn.Module):
    """Looks at its input until somebody else has changed it, and notes there that it saw this."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for _ in range(2_000_000):
            if bool(x[0] != 0):
                x[1] = 1
                return x
        return x


class Failing(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if bool(x[0] > 1):
            raise ValueError("the input is above 1")
        return x


def scripted_mlp(dtype: str = "float32", seed: int = 0) -> tuple[torch.jit.ScriptModule, torch.Tensor]:
    model = build_model((8, 16, 4), dtype=dtype, device=CPU, seed=seed).eval()
    inputs, _ = build_batch(3, 8, 4, dtype=dtype, device=CPU, seed=seed + 1)
    return torch.jit.script(model), inputs


def counting() -> tuple[NativeLoop, torch.Tensor]:
    counter = torch.zeros(1)
    return NativeLoop([(torch.jit.script(Adding()), counter)]), counter


@pytest.mark.parametrize("dtype", TOLERANCE)
def test_the_output_is_that_of_the_module_in_every_dtype(dtype: str) -> None:
    module, inputs = scripted_mlp(dtype)
    loop = NativeLoop([(module, inputs)])
    loop.run(3)
    with torch.inference_mode():
        assert difference([loop.output()], [module(inputs)]) <= TOLERANCE[dtype]
    assert loop.output().dtype == inputs.dtype


def test_an_output_is_a_tensor_of_its_own() -> None:
    module, inputs = scripted_mlp()
    loop = NativeLoop([(module, inputs)])
    first = loop.output()
    kept = first.clone()
    inputs.add_(1)
    assert not torch.equal(loop.output(), kept), "the input's memory is shared"
    assert torch.equal(first, kept)


def test_every_module_is_called_once_a_step() -> None:
    loop, counter = counting()
    loop.run(1000)
    assert counter.item() == 1000


def test_modules_are_called_in_turn() -> None:
    value = torch.zeros(1)
    loop = NativeLoop([(torch.jit.script(Doubling()), value), (torch.jit.script(Adding()), value)])
    loop.run(3)
    assert value.item() == 7  # ((0 * 2 + 1) * 2 + 1) * 2 + 1


def test_a_joined_loop_drives_the_modules_of_all_even_when_those_are_closed() -> None:
    (first, ours), (second, theirs) = counting(), counting()
    joined = NativeLoop.join([first, second])
    first.close()
    joined.run(5)
    second.run(2)
    assert (ours.item(), theirs.item()) == (5, 7)
    assert joined.output(1).item() == 8


def test_parameters_are_a_copy() -> None:
    module, inputs = scripted_mlp()
    loop = NativeLoop([(module, inputs)])
    before = loop.output()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.zero_()
    assert torch.equal(loop.output(), before)


def test_python_runs_while_the_loop_does() -> None:
    flags = torch.zeros(2)
    loop = NativeLoop([(torch.jit.script(Waiting()), flags)])
    thread = threading.Thread(target=loop.run, args=(1,))
    thread.start()
    flags[0] = 1  # with the interpreter lock held by the loop, it would have given up before
    thread.join()
    assert flags[1].item() == 1


def test_several_threads_drive_loops_of_their_own() -> None:
    pairs = [counting() for _ in range(3)]
    threads = [threading.Thread(target=loop.run, args=(2000,)) for loop, _ in pairs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [counter.item() for _, counter in pairs] == [2000] * 3


def test_an_error_in_a_step_is_an_exception_of_one_line_and_the_loop_goes_on() -> None:
    value = torch.zeros(1)
    loop = NativeLoop([(torch.jit.script(Failing()), value)])
    loop.run(2)
    value.fill_(2)
    with pytest.raises(NativeError, match="the input is above 1") as caught:
        loop.run(2)
    assert "\n" not in str(caught.value)
    with pytest.raises(NativeError, match="the input is above 1"):
        loop.output()
    value.fill_(1)
    loop.run(2)
    assert loop.output().item() == 1


def test_an_input_of_another_shape_is_told_by_torch() -> None:
    module, _ = scripted_mlp()
    loop = NativeLoop([(module, torch.zeros(3, 9))])
    with pytest.raises(NativeError, match="mat1 and mat2 shapes cannot be multiplied"):
        loop.run(1)


def test_what_cannot_be_loaded_or_run_is_refused() -> None:
    module, inputs = scripted_mlp()
    with pytest.raises(NativeError, match="contiguous"):
        NativeLoop([(module, inputs.repeat(2, 2)[:, ::2])])
    with pytest.raises(NativeError, match="complex64"):
        NativeLoop([(module, torch.zeros(3, 8, dtype=torch.complex64))])
    loop = NativeLoop([(module, inputs)])
    loop.close()
    loop.close()
    with pytest.raises(NativeError, match="closed"):
        loop.run(1)
    with pytest.raises(NativeError, match="closed"):
        loop.output()


def test_a_compiler_is_asked_for_only_where_nothing_is_built(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    native_build.build()
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    assert problem() is None
    monkeypatch.setattr(native_build, "cache_folder", lambda checkout: tmp_path)
    assert problem() == "needs a C++ compiler (g++): apt-get install g++"
    monkeypatch.setenv("CXX", "no-such-compiler")
    assert "CXX=no-such-compiler" in str(problem())


def test_planning_with_it_imports_no_torch() -> None:
    code = (
        "import sys, harness.modes.native_loop as n, harness.export.export; "
        "n.problem(); sys.exit('torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
