"""How a model is executed: the axis `mode`, the ladder out of Python, a small class a rung.

In: a model and an example input. Out: something to call that computes the same, executed in another way.
Must not import torch when it is imported: planning reads the registry and needs no torch.
"""

from __future__ import annotations

# In the order of the ladder, which is that of the registry and of every list of modes.
from harness.modes import python, torchscript  # isort: skip
from harness.modes import compiled, graphs, packaged, native  # isort: skip
from harness.modes.registry import Mode, get_mode, load_plugins, mode_names, register

__all__ = ["Mode", "get_mode", "load_plugins", "mode_names", "register"]

# Imported for what they register.
_LADDER = (python, torchscript, compiled, graphs, packaged, native)
