"""A model as one Python function without modules, by torch.fx.

In: a module and what it is called with. Out: a module with the same parameters whose forward is a straight
program. Must not know modes.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Sequence
from typing import Any

from torch import fx, nn

from harness.modes.example import BY_PLACE, Example, arguments_of, positional


class _ThroughModules(fx.Tracer):
    """Follows every call into modules, torch's own too: what is recorded are functions alone."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return False


class Straight(nn.Module):
    """The parameters of a model, and the program that is run on them. forward: as the model's, by place."""

    def __init__(self, model: nn.Module, program: Any, attributes: list[Any]) -> None:
        super().__init__()
        self.model = model  # holds the parameters, for optimizers and DistributedDataParallel
        self.program = program
        self.attributes = tuple(attributes)

    def forward(self, *inputs: Any) -> Any:
        return self.program(*inputs, *self.attributes)


class StraightByName(Straight):
    """The same of a model that is called with arguments by name. names: of the program's inputs, in their order."""

    def __init__(self, straight: Straight, names: Sequence[str]) -> None:
        super().__init__(straight.model, straight.program, list(straight.attributes))
        self.names = tuple(names)

    def forward(self, *inputs: Any, **by_name: Any) -> Any:
        return super().forward(*inputs, *(by_name[name] for name in self.names[len(inputs) :]))


def straight_program(model: nn.Module, example: Example) -> Straight:
    """Write a model out. Its parameters become arguments of the program: local names, which Python looks up
    fastest. Raises what torch.fx raises for models whose control flow depends on values."""
    names = list(inspect.signature(model.forward).parameters)
    inputs = positional(model, example)
    graph = _traced(model, _unused(model, names[len(inputs) :]))
    placeholders = [node for node in graph.nodes if node.op == "placeholder"]
    for node in placeholders[len(inputs) :]:
        if not node.users:
            graph.erase_node(node)
    last_input = placeholders[len(inputs) - 1]
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
    attributes = [_attribute(model, name) for name in arguments]
    straight = Straight(model, type(written).forward.__get__(written), attributes)
    return StraightByName(straight, names[: len(inputs)]) if arguments_of(example).kwargs else straight


def _unused(model: nn.Module, names: Sequence[str]) -> dict[str, Any]:
    """The parameters of forward that are left at their defaults, with these."""
    parameters = inspect.signature(model.forward).parameters
    return {name: parameters[name].default for name in names if parameters[name].kind in BY_PLACE}


def _traced(model: nn.Module, unused: dict[str, Any]) -> fx.Graph:
    """Down to torch's operations or, where torch's own Python around one of them asks for values (how many dimensions
    an input of it has), down to the functions of torch.nn.functional."""
    try:
        graph = _ThroughModules().trace(model, concrete_args=unused or None)
    except Exception as refused:
        functions = _ThroughModules(autowrap_modules=(math, nn.functional))  # type: ignore[arg-type]
        try:
            graph = functions.trace(model, concrete_args=unused or None)
        except Exception:
            raise refused from None
    # What holds an argument to its default, which it always has here.
    for node in reversed(list(graph.nodes)):
        if node.op == "call_function" and "assert" in getattr(node.target, "__name__", "") and not node.users:
            compared = [argument for argument in node.args if isinstance(argument, fx.Node)]
            graph.erase_node(node)
            for other in compared:
                if not other.users and other.op != "placeholder":
                    graph.erase_node(other)
    return graph


def _attribute(model: nn.Module, name: str) -> Any:
    value: Any = model
    for part in name.split("."):
        value = getattr(value, part)
    return value
