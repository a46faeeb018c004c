"""The tensors of nested values: of tuples, lists, dicts, and of what torch or its user has registered as a tree
(torch.utils._pytree), as outputs of transformers are.

In: a nested value. Out: its tensors, or the same with others. Must not know what they are for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch.utils import _pytree as pytree


def tensors_in(tree: Any) -> Iterator[torch.Tensor]:
    """In a fixed order."""
    yield from (leaf for leaf in pytree.tree_leaves(tree) if isinstance(leaf, torch.Tensor))


def mapped(function: Callable[[torch.Tensor], torch.Tensor], tree: Any) -> Any:
    """The same tree with each of its tensors replaced."""
    return pytree.tree_map_only(torch.Tensor, function, tree)
