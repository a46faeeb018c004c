"""The reference beside a saved model: what it is, an input, and eager's output, for the runner in C++.

In: fields and tensors. Out: a file of text lines and raw numbers, which a program can read without a
library. native/reference.cpp reads it. Must not know how a model was made or saved.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from harness.core.files import beneath
from harness.core.schema import COLUMNS

if TYPE_CHECKING:
    import torch

# The number goes up whenever a reader of the old format would misread the new one.
FIRST_LINE = "harness-reference 1"


def reference_path(model: Path) -> Path:
    """Where the reference of a saved model lies."""
    return model.with_name(model.name + ".reference")


def is_reference(path: Path) -> bool:
    """Whether a file is a reference that was written here."""
    try:
        with os.fdopen(beneath.open_file(path.parent, path.name), "rb") as file:
            return file.readline(len(FIRST_LINE) + 1).rstrip(b"\n") == FIRST_LINE.encode()
    except OSError:
        return False


def write_reference(
    path: Path,
    fields: Mapping[str, object],
    inputs: torch.Tensor,
    expected: torch.Tensor,
    *,
    tolerance: float,
    file_bytes: int,
) -> None:
    """Write a reference.

    fields: what is known of the row in points.csv, and whatever else is to be kept; inputs and expected are
    of one dtype; tolerance: as harness.workloads.comparison.TOLERANCE; file_bytes: the saved model's size, so that a
    reference is not taken for another file's.
    """
    header = {
        "columns": ",".join(COLUMNS),
        **fields,
        "dtype": str(inputs.dtype).removeprefix("torch."),
        "tolerance": repr(tolerance),
        "file_bytes": file_bytes,
        "input_shape": ",".join(map(str, inputs.shape)),
        "output_shape": ",".join(map(str, expected.shape)),
    }
    lines = [FIRST_LINE, *(f"{key}={value}" for key, value in header.items()), "", ""]
    path.write_bytes("\n".join(lines).encode() + _bytes(inputs) + _bytes(expected))


def _bytes(tensor: torch.Tensor) -> bytes:
    """The elements in memory order, row-major. Through bytes, since NumPy has no bfloat16."""
    import torch

    return tensor.detach().cpu().contiguous().view(torch.uint8).numpy().tobytes()
