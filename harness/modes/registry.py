"""What a mode is, and the list of those that are known.

In: classes that describe modes. Out: modes by name. Must not import torch, nor know any single mode.
"""

from __future__ import annotations

import importlib
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from harness.core.errors import ConfigError

if TYPE_CHECKING:
    import torch

    from harness.modes.example import Example

MODES: dict[str, Mode] = {}
# As it is written in lists on the command line and in a column.
_NAME = re.compile(r"[a-zA-Z_][\w.-]{0,39}", re.ASCII)


class Mode(ABC):
    """One way to execute a model.

    name: as in the config and the CSV. needs_python: whether the interpreter issues each operation of a
    step (then it can be what the device waits for). rehearsed_as: the mode that stands for this one where
    its output is checked on a CPU copy, if it cannot run on a CPU itself. A mode given in a user's module is
    registered by decorating its class with `register` and naming the module in the config key `plugins`.
    """

    name: str
    needs_python: bool
    rehearsed_as: str | None = None

    @property
    def holds_lock(self) -> bool:
        """Whether the thread that issues a step holds the interpreter's lock meanwhile, so that threads take turns."""
        return self.needs_python

    def unsupported(self, *, workload: str, dtype: str, device_kind: str) -> str | None:
        """Why this mode cannot run there, or None where it can. device_kind: cpu, cuda or emulated."""
        return None

    def unsupported_autograd(self, autograd: str) -> str | None:
        """Why this mode's forward cannot run so, or None where it can. autograd: a value of that axis."""
        return None

    def make_ready(self) -> None:  # noqa: B027  (most have nothing to make)
        """Called once where the sweep is started, before any rank: make what all ranks use.

        May raise whatever the ranks would raise too: it is they who are heard.
        """

    def kept_bytes(self, built: Any) -> int | None:
        """Bytes that what `prepare` built keeps between calls for the values of a step, so that no step allocates them;
        None where that is not known."""
        return 0

    @abstractmethod
    def prepare(self, model: torch.nn.Module, example: Example) -> Callable[..., Any]:
        """Build the executable form of model; example is what it is called with, on its device: a tensor (an MLP's
        batch x in_features) or, where that is more than one tensor, Arguments (harness.modes.example).

        Under `train` what is built must be a module with the model's parameters. What has a method
        `repeat(steps)` beside is driven by that: it makes so many steps on the example by itself.
        Raises Unproven (harness.modes.proof) where a switch makes something else of it.
        """

    def proof(self, built: Any) -> str | None:
        """Why what `prepare` built is not what the mode says, or None where it is; asked after its first call.

        A mode that is not what it says is a row `unsupported`, and is not timed. By default it is believed.
        """
        return None


def register(cls: type[Mode]) -> type[Mode]:
    """Class decorator: add a mode to the registry. The last one registered under a name holds.

    Raises TypeError for what is no mode: it would fail in planning, or stand in a column as something else.
    """
    if not issubclass(cls, Mode):
        raise TypeError(f"{cls.__name__} is registered and no subclass of Mode")
    mode = cls()
    name: object = getattr(mode, "name", None)
    if not (isinstance(name, str) and _NAME.fullmatch(name)):
        raise TypeError(
            f"{cls.__name__}.name must be at most 40 letters, digits, '.', '_' and '-', a letter first"
        )
    if not isinstance(getattr(mode, "needs_python", None), bool):
        raise TypeError(f"{cls.__name__}.needs_python must be True or False")
    MODES[name] = mode
    return cls


def mode_names() -> tuple[str, ...]:
    """Known modes in the order of registration, eager first."""
    return tuple(MODES)


def get_mode(name: str) -> Mode:
    """The mode of that name; raises KeyError for one that is not registered."""
    return MODES[name]


def load_plugins(modules: Sequence[str]) -> None:
    """Import the modules that register further modes. Raises ConfigError for one that cannot be imported."""
    for name in modules:
        try:
            importlib.import_module(name)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # an import runs the module's code: anything may come of it
            raise ConfigError(
                "plugins", name, f"importable Python modules ({type(error).__name__}: {error})"
            ) from error
