"""Modes: a registry that needs no torch, and modes that compute what eager computes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from harness import modes
from harness.environment import python_path
from harness.errors import ConfigError
from harness.model import build_batch, build_model
from harness.modes import Mode, get_mode, load_plugins, mode_names, register
from harness.workloads import TOLERANCE, difference

pytestmark = pytest.mark.filterwarnings("ignore:.torch.jit")

CPU = torch.device("cpu")


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Mode]]:
    """A registry of which later tests see nothing."""
    copy = dict(modes._REGISTRY)
    monkeypatch.setattr(modes, "_REGISTRY", copy)
    yield copy


def test_the_modes_of_the_question_are_there_with_eager_first() -> None:
    assert mode_names()[:3] == ("eager", "script", "trace")


def test_only_eager_needs_python_for_each_operation() -> None:
    assert [get_mode(name).needs_python for name in ("eager", "script", "trace")] == [True, False, False]


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


@pytest.mark.parametrize("name", ["eager", "script", "trace"])
@pytest.mark.parametrize("batch", [1, 7])
def test_every_mode_computes_what_eager_computes(name: str, batch: int) -> None:
    model = build_model((6, 8, 8, 3), dtype="float32", device=CPU, seed=1)
    inputs, _ = build_batch(batch, 6, 3, dtype="float32", device=CPU, seed=2)
    with torch.inference_mode():
        prepared = get_mode(name).prepare(model, inputs)
        for _ in range(4):  # TorchScript changes its code after the first calls
            assert difference([prepared(inputs)], [model(inputs)]) <= TOLERANCE["float32"]


@pytest.mark.parametrize("name", ["script", "trace"])
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
        return [file for file in called if file.endswith(("harness/model.py", "nn/modules/linear.py"))]

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
