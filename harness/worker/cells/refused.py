"""What a mode cannot do with a model, told from what went wrong while it did.

In: an exception. Out: whether a compiler of torch refused the model. Must not know modes.
"""

from __future__ import annotations

import traceback
from pathlib import PurePath

# Folders of torch that look at a model's code, or run it on symbols, and say what they cannot follow.
_READERS = frozenset({"fx", "jit", "export", "_export"})


def refused_by_compiler(error: BaseException) -> bool:
    """Whether it was raised while torch.fx, torch.jit or torch.export read a model, or is dynamo's refusal."""
    return _is_dynamos(error) or any(
        _in_reader(frame.filename) for frame in traceback.extract_tb(error.__traceback__)
    )


def _in_reader(file: str) -> bool:
    parts = PurePath(file).parts
    place = len(parts) - 1 - parts[::-1].index("torch") if "torch" in parts else len(parts)
    return place + 1 < len(parts) and parts[place + 1] in _READERS


def _is_dynamos(error: BaseException) -> bool:
    import sys

    known = sys.modules.get("torch._dynamo.exc")
    return known is not None and isinstance(error, (known.Unsupported, known.UserError))
