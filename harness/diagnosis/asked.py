"""What a step asks of kernels.

In: counts. Out: Work. Must not know torch, nor how anything was counted.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Work:
    """What one step asks of kernels.

    heavy: operators that compilers call as they are, heavy_us their time, groups: runs of other operators between
    them; fused: how many fewer element-wise operators there are if each run of them is one; cells: steps of recurrent
    networks, which compilers take apart; one_row: products of a matrix and a vector; flop, bytes_moved: of the samples'
    own work.
    """

    operators: int
    heavy: int
    heavy_us: float
    groups: int
    fused: int
    cells: int
    one_row: int
    flop: float
    bytes_moved: float
