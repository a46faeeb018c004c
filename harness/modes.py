"""How a model is executed: the axis `mode`, as a registry in which a mode is one small class.

In: a model and an example input. Out: a module that computes the same, executed in another way.
Must not import torch when it is imported: planning reads the registry and needs no torch.
"""

from __future__ import annotations

import importlib
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from harness.errors import ConfigError

if TYPE_CHECKING:
    import torch

_REGISTRY: dict[str, Mode] = {}


class Mode(ABC):
    """One way to execute a model.

    name: as in the config and the CSV. needs_python: whether the interpreter issues each operation of a
    step (then it can be what the device waits for). A mode given in a user's module is registered by
    decorating its class with `register` and naming the module in the config key `plugins`.
    """

    name: str
    needs_python: bool

    def unsupported(self, *, workload: str, dtype: str, device_kind: str) -> str | None:
        """Why this mode cannot run there, or None where it can."""
        return None

    @abstractmethod
    def prepare(self, model: torch.nn.Module, example: torch.Tensor) -> torch.nn.Module:
        """Build the executable form of model; example is a batch (batch x in_features) on its device."""


def register(cls: type[Mode]) -> type[Mode]:
    """Class decorator: add a mode to the registry. The last one registered under a name holds."""
    _REGISTRY[cls.name] = cls()
    return cls


def mode_names() -> tuple[str, ...]:
    """Known modes in the order of registration, eager first."""
    return tuple(_REGISTRY)


def get_mode(name: str) -> Mode:
    """The mode of that name; raises KeyError for one that is not registered."""
    return _REGISTRY[name]


def load_plugins(modules: Sequence[str]) -> None:
    """Import the modules that register further modes. Raises ConfigError for one that cannot be imported."""
    for name in modules:
        try:
            importlib.import_module(name)
        except (Exception, SystemExit) as error:  # an import runs the module's code: anything may come of it
            raise ConfigError(
                "plugins", name, f"importable Python modules ({type(error).__name__}: {error})"
            ) from error


@register
class Eager(Mode):
    """Python calls every module and every operation, one after the other."""

    name = "eager"
    needs_python = True

    def prepare(self, model: torch.nn.Module, example: torch.Tensor) -> torch.nn.Module:
        return model


class _TorchScript(Mode):
    needs_python = False

    def unsupported(self, *, workload: str, dtype: str, device_kind: str) -> str | None:
        import sys

        # torch.jit is deprecated upstream and refuses to compile from Python 3.14 on.
        if sys.version_info >= (3, 14):
            return "TorchScript does not support Python 3.14 and later"
        return None


@register
class Script(_TorchScript):
    """torch.jit.script: the model's source is compiled, control flow included."""

    name = "script"

    def prepare(self, model: torch.nn.Module, example: torch.Tensor) -> torch.nn.Module:
        import torch

        scripted: torch.nn.Module = torch.jit.script(model)
        return scripted


@register
class Trace(_TorchScript):
    """torch.jit.trace: the operations that one example ran through are recorded."""

    name = "trace"

    def prepare(self, model: torch.nn.Module, example: torch.Tensor) -> torch.nn.Module:
        import torch

        # The harness compares every mode's output with eager's itself, so a second check is left out.
        trace: Any = torch.jit.trace  # untyped upstream
        traced: torch.nn.Module = trace(model, (example,), check_trace=False)
        return traced
