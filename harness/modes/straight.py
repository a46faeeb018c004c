"""A model as one Python function without modules, by torch.fx.

In: a module whose forward takes one tensor. Out: a module with the same parameters whose forward is a straight
program. Must not know modes.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import fx, nn


class _ThroughModules(fx.Tracer):
    """Follows every call into modules, torch's own too: what is recorded are functions alone."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return False


class Straight(nn.Module):
    """The parameters of a model, and the program that is run on them. forward: as the model's."""

    def __init__(self, model: nn.Module, program: Any, attributes: list[Any]) -> None:
        super().__init__()
        self.model = model  # holds the parameters, for optimizers and DistributedDataParallel
        self.program = program
        self.attributes = tuple(attributes)

    def forward(self, x: torch.Tensor) -> Any:
        return self.program(x, *self.attributes)


def straight_program(model: nn.Module) -> Straight:
    """Write a model out. Its parameters become arguments of the program: local names, which Python looks up
    fastest. Raises what torch.fx raises for models whose control flow depends on values."""
    graph = _ThroughModules().trace(model)
    last_input = [node for node in graph.nodes if node.op == "placeholder"][-1]
    arguments: dict[str, fx.Node] = {}
    for node in list(graph.nodes):
        if node.op != "get_attr":
            continue
        name = str(node.target)
        if name not in arguments:
            with graph.inserting_after(last_input):
                arguments[name] = last_input = graph.placeholder("p_" + name.replace(".", "_"))
        node.replace_all_uses_with(arguments[name])
        graph.erase_node(node)
    graph.lint()  # type: ignore[no-untyped-call]
    written = fx.GraphModule(nn.Module(), graph)
    return Straight(model, type(written).forward.__get__(written), [_attribute(model, n) for n in arguments])


def _attribute(model: nn.Module, name: str) -> Any:
    value: Any = model
    for part in name.split("."):
        value = getattr(value, part)
    return value
