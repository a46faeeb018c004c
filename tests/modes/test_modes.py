"""Modes: a registry that needs no torch, and modes that compute what eager computes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from running import python_path

from harness.core.errors import ConfigError
from harness.models.mlp import build_batch, build_model
from harness.modes import Mode, get_mode, load_plugins, mode_names, register
from harness.modes import registry as modes
from harness.workloads.comparison import TOLERANCE, difference

pytestmark = pytest.mark.filterwarnings("ignore:.torch.jit")

CPU = torch.device("cpu")


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Mode]]:
    """A registry of which later tests see nothing."""
    copy = dict(modes.MODES)
    monkeypatch.setattr(modes, "MODES", copy)
    yield copy


LADDER = (
    *("eager", "symbolic", "script", "trace", "frozen"),
    *("compile", "compile_graphs", "cudagraph", "aoti", "native"),
)


def test_every_rung_of_the_ladder_is_there_with_eager_first() -> None:
    assert mode_names()[: len(LADDER)] == LADDER


def test_where_python_issues_every_operation_is_said() -> None:
    issued = {name for name in LADDER if get_mode(name).needs_python}
    assert issued == {"eager", "symbolic", "compile"}  # inductor's code calls its kernels from Python


def test_an_unknown_mode_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        get_mode("nonsense")


def test_a_mode_is_registered_by_one_small_class(registry: dict[str, Mode]) -> None:
    @register
    class Twice(Mode):
        name = "twice"
        needs_python = True

        def prepare(self, model, example):
            return model

    assert mode_names()[-1] == "twice"
    assert isinstance(get_mode("twice"), Twice)
    assert get_mode("twice").unsupported(workload="train", dtype="float32", device_kind="cpu") is None


def test_a_mode_cannot_be_made_without_saying_how_it_is_prepared() -> None:
    class Half(Mode):
        name = "half"

    with pytest.raises(TypeError):
        Half()  # type: ignore[abstract]


class TestPlugins:
    def load(self, folder: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
        (folder / "plugin_under_test.py").write_text(text)
        monkeypatch.syspath_prepend(str(folder))
        monkeypatch.delitem(sys.modules, "plugin_under_test", raising=False)
        load_plugins(["plugin_under_test"])

    def test_a_plugin_brings_its_modes(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, registry: dict[str, Mode]
    ) -> None:
        text = """
from harness.modes import Mode, register
@register
class Own(Mode):
    name, needs_python = "own", False
    def prepare(self, model, example):
        return model
"""
        self.load(tmp_path, monkeypatch, text)
        assert "own" in mode_names()

    @pytest.mark.parametrize(
        ("text", "told"),
        [
            ("import no_such_module_anywhere", "ModuleNotFoundError"),
            ("def (", "SyntaxError"),
            ("raise ValueError('first line\\nsecond line')", "ValueError: first line second line"),
            ("import sys; sys.exit(3)", "SystemExit"),
        ],
    )
    def test_a_plugin_that_fails_is_refused_in_one_line(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, told: str
    ) -> None:
        with pytest.raises(ConfigError) as caught:
            self.load(tmp_path, monkeypatch, text)
        assert (caught.value.key, caught.value.value) == ("plugins", "plugin_under_test")
        assert told in str(caught.value)
        assert "\n" not in str(caught.value)

    @pytest.mark.parametrize("name", ["", ".", ".relative", "a b", "no_such_module_anywhere", "x/y"])
    def test_a_name_that_is_no_module_is_refused(self, name: str) -> None:
        with pytest.raises(ConfigError) as caught:
            load_plugins([name])
        assert caught.value.key == "plugins"


# Those that compile with a C++ compiler take seconds, and are tried once together, below.
QUICK = ["eager", "symbolic", "script", "trace", "frozen"]


@pytest.mark.parametrize("name", QUICK)
@pytest.mark.parametrize("batch", [1, 7])
def test_every_mode_computes_what_eager_computes(name: str, batch: int) -> None:
    model = build_model((6, 8, 8, 3), dtype="float32", device=CPU, seed=1)
    inputs, _ = build_batch(batch, 6, 3, dtype="float32", device=CPU, seed=2)
    with torch.inference_mode():
        prepared = get_mode(name).prepare(model, inputs)
        for _ in range(4):  # TorchScript changes its code after the first calls
            assert difference([prepared(inputs)], [model(inputs)]) <= TOLERANCE["float32"]


@pytest.mark.parametrize("name", ["script", "trace", "frozen"])
def test_a_mode_without_python_runs_no_python(name: str) -> None:
    """Else it would not be what it is compared as: neither the model's nor torch's own layers are called."""
    model = build_model((6, 8, 3), dtype="float32", device=CPU, seed=1)
    inputs, _ = build_batch(2, 6, 3, dtype="float32", device=CPU, seed=2)
    prepared = get_mode(name).prepare(model, inputs)
    called: list[str] = []

    def profile(frame, event, argument) -> None:
        if event == "call":
            called.append(frame.f_code.co_filename)

    def calls(module) -> list[str]:
        called.clear()
        sys.setprofile(profile)
        try:
            module(inputs)
        finally:
            sys.setprofile(None)
        return [file for file in called if file.endswith(("harness/models/mlp.py", "nn/modules/linear.py"))]

    assert calls(model)
    assert not calls(prepared)


def test_torchscript_is_refused_where_python_has_left_it_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    where = {"workload": "forward", "dtype": "float32", "device_kind": "cpu"}
    monkeypatch.setattr(sys, "version_info", (3, 13, 0))
    assert get_mode("script").unsupported(**where) is None
    monkeypatch.setattr(sys, "version_info", (3, 14, 0))
    assert "3.14" in (get_mode("script").unsupported(**where) or "")
    assert get_mode("eager").unsupported(**where) is None


def test_the_registry_imports_no_torch() -> None:
    code = "import sys, harness.modes as m; m.mode_names(); print('torch' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": python_path()},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "False\n"


def python_calls(run, inputs) -> list[str]:
    """Files of the Python functions that a call runs."""
    called: list[str] = []

    def profile(frame, event, argument) -> None:
        if event == "call":
            called.append(frame.f_code.co_filename)

    sys.setprofile(profile)
    try:
        run(inputs)
    finally:
        sys.setprofile(None)
    return called


def test_a_symbolic_program_calls_operations_and_no_layers() -> None:
    model = build_model((6, 8, 8, 3), dtype="float32", device=CPU, seed=1)
    inputs, _ = build_batch(2, 6, 3, dtype="float32", device=CPU, seed=2)
    layers = ("nn/modules/linear.py", "nn/modules/activation.py", "nn/modules/container.py")
    assert any(file.endswith(layers) for file in python_calls(model, inputs))
    symbolic = python_calls(get_mode("symbolic").prepare(model, inputs), inputs)
    assert symbolic  # Python stays
    assert not any(file.endswith(layers) for file in symbolic)


def test_a_symbolic_program_trains_the_models_own_parameters() -> None:
    model = build_model((6, 8, 3), dtype="float32", device=CPU, seed=1)
    inputs, _ = build_batch(2, 6, 3, dtype="float32", device=CPU, seed=2)
    symbolic = get_mode("symbolic").prepare(model, inputs)
    symbolic(inputs).sum().backward()
    assert {id(p) for p in symbolic.parameters()} == {id(p) for p in model.parameters()}
    assert all(p.grad is not None for p in model.parameters())


WHERE = {"dtype": "float32", "device_kind": "cuda"}


@pytest.mark.parametrize("name", ["frozen", "cudagraph", "aoti", "native"])
def test_what_is_for_inference_alone_says_so(name: str) -> None:
    assert get_mode(name).unsupported(workload="train", **WHERE)
    assert get_mode(name).unsupported(workload="forward", **WHERE) is None


@pytest.mark.parametrize("name", ["cudagraph", "compile_graphs"])
def test_graphs_need_a_cuda_device(name: str) -> None:
    assert "CUDA" in (
        get_mode(name).unsupported(workload="forward", dtype="float32", device_kind="cpu") or ""
    )
    stand_in = get_mode(name).rehearsed_as
    assert stand_in is not None
    assert get_mode(stand_in).unsupported(workload="forward", dtype="float32", device_kind="cpu") is None


@pytest.mark.parametrize("name", ["compile", "compile_graphs", "aoti"])
def test_what_compiles_says_so_where_there_is_no_compiler(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    reason = get_mode(name).unsupported(workload="forward", **WHERE)
    assert reason is not None and "compiler" in reason


@pytest.mark.parametrize("name", ["script", "trace", "frozen", "native"])
def test_every_rung_of_torchscript_is_refused_where_python_has_left_it_behind(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 14, 0))
    assert "3.14" in (get_mode(name).unsupported(workload="forward", **WHERE) or "")


@pytest.mark.long
def test_the_compilers_models_compute_what_eager_computes_each_with_code_of_its_own(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Twelve models are more than torch.compile would keep of one piece of code: it would raise."""
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    inputs, _ = build_batch(2, 6, 3, dtype="float32", device=CPU, seed=2)
    models = [build_model((6, 8, 3), dtype="float32", device=CPU, seed=seed) for seed in range(12)]
    with torch.inference_mode():
        compiled = [get_mode("compile").prepare(model, inputs) for model in models]
        for model, run in zip(models, compiled, strict=True):
            assert difference([run(inputs)], [model(inputs)]) <= TOLERANCE["float32"]
        packaged = get_mode("aoti").prepare(models[0], inputs)
        assert difference([packaged(inputs)], [models[0](inputs)]) <= TOLERANCE["float32"]
