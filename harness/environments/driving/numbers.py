"""Parameters, inputs and labels of a task in a file: the same numbers for every framework and every Python.

In: a Task. Out: a file of little-endian numbers. Must not know torch, nor who reads it.
"""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from harness.environments.driving.task import Task

# As the MLP of a sweep has them (models/mlp.py): biases between minus and plus this.
BIAS = 0.1


def numbers_file(task: Task) -> Path:
    """Each layer's weight (outputs x inputs) and bias, then the inputs (batch x sizes[0]), then each sample's label,
    in 8 bytes a number for float64, else in 4. It is there until other numbers are asked for, or this process ends.

    Raises OSError where there is no room for it.
    """
    return Path(_written(task.sizes, task.batch, task.dtype == "float64", task.seed).name)


@lru_cache(maxsize=1)
def _written(
    sizes: tuple[int, ...], batch: int, wide: bool, seed: int
) -> tempfile._TemporaryFileWrapper[bytes]:
    """One at a time: those of a large model are as large as it is."""
    file = tempfile.NamedTemporaryFile(prefix="numbers-")  # noqa: SIM115 (removed when the cache drops it)
    for part in _parts(sizes, batch, seed):
        file.write(part.astype("<f8" if wide else "<f4").tobytes())
    file.flush()
    return file


def _parts(sizes: tuple[int, ...], batch: int, seed: int) -> Iterator[npt.NDArray[np.float64]]:
    """He initialisation (He et al., 2015), as of every MLP that is swept: outputs of order 1 through many layers."""
    drawn = np.random.default_rng(seed)
    for fan_in, fan_out in itertools.pairwise(sizes):
        yield drawn.standard_normal(fan_in * fan_out) * (2 / fan_in) ** 0.5
        yield drawn.uniform(-BIAS, BIAS, fan_out)
    yield drawn.standard_normal(batch * sizes[0])
    yield drawn.integers(sizes[-1], size=batch).astype(np.float64)
