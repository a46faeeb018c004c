"""How a point's model is made where it is no MLP, and how it is trained.

In: names of callables, arguments. Out: a frozen value that survives JSON. Must not know torch, nor import what
is named.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

# Names that begin so are the harness's own or torch's: nothing is executed that they do not bring.
OWN = ("harness.models.", "torch.")


@dataclass(frozen=True)
class Recipe:
    """target, inputs, targets, loss, optimizer: `package.module:name`; "" for the MLP's own. args: a JSON object."""

    target: str = ""
    inputs: str = ""
    targets: str = ""
    args: str = "{}"
    loss: str = ""
    optimizer: str = ""

    @property
    def arguments(self) -> dict[str, Any]:
        """What the callables are called with, each with those that it takes."""
        arguments: dict[str, Any] = json.loads(self.args)
        return arguments

    def plain(self) -> dict[str, Any]:
        return asdict(self)


# Of an MLP that is trained as every MLP is by default.
DEFAULT = Recipe()


def as_json(arguments: Mapping[str, Any]) -> str:
    """The same text for the same arguments, in whatever order. Raises TypeError for what JSON has no form for."""
    return json.dumps(dict(arguments), sort_keys=True)


def is_own(name: str) -> bool:
    """Whether a name is of a callable that the harness or torch brings."""
    return name.startswith(OWN)
