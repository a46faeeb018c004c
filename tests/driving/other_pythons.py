"""Pythons of this machine, and interpreters that are none or misbehave."""

from __future__ import annotations

import glob
import itertools
import os
import sys
from collections.abc import Callable
from pathlib import Path

from harness.environments.document import Environment
from harness.environments.driving.process import Driver
from harness.environments.driving.task import Task
from harness.environments.interpreter import Interpreter

# What a driver's own tests ask for: small enough for numbers of Python's own.
TASK = Task("plain", "eager", "forward", (6, 5, 3), 2, "float32", "inference", 7)


def all_pythons() -> list[str]:
    """This one first; others where pyenv keeps them."""
    kept = os.environ.get("PYENV_ROOT", str(Path.home() / ".pyenv"))
    found = (glob.glob(f"{kept}/versions/3.{minor}.*/bin/python") for minor in range(6, 15))  # noqa: PTH207
    return [sys.executable, *itertools.chain(*found)]


def interpreter(
    framework: str = "plain", python: str = sys.executable, name: str = "mine", **variables: str
) -> Interpreter:
    return Interpreter(Environment(name, framework, python, (), variables), Path(python))


def with_module(folder: Path, text: str) -> Interpreter:
    """An environment in which torch is this text."""
    (folder / "torch.py").write_text(text)
    return interpreter("torch", PYTHONPATH=str(folder))


# Opens a driver with options of its own.
Open = Callable[..., Driver]
