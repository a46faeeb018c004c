"""Times of a profile's device: which constants go with which call.

In: a Profile. Out: microseconds. Must not know tables or files.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from emulator.profile import Profile
from emulator.times.collectives import collective_us
from emulator.times.kernels import Floats, kernel_us
from emulator.times.products import ITEM_BYTES, Machine, Products


def machine_of(profile: Profile, arithmetic: str) -> Machine:
    return Machine(profile.sms, profile.flop_s[arithmetic] / 1e6, profile.memory_gb_s * 1e3)


def product_us(
    profile: Profile,
    m: npt.ArrayLike,
    n: npt.ArrayLike,
    k: npt.ArrayLike,
    batch: npt.ArrayLike,
    arithmetic: str,
    transposed: npt.ArrayLike = False,
) -> Floats:
    """Of matrix products; with one row or column it is one of a matrix and a vector, if that is faster. transposed: as
    emulator.times.products has it."""
    sizes = [np.atleast_1d(np.asarray(each, np.float64)) for each in (m, n, k, batch)]
    m, n, k, batch, along_m = np.broadcast_arrays(*sizes, np.asarray(transposed, bool))
    products = Products(m, n, k, batch, ITEM_BYTES[arithmetic], along_m)
    found = products.us(profile.products[arithmetic], machine_of(profile, arithmetic))
    vector = other_us(profile, "matrix_vector", products.bytes_, np.zeros_like(m))
    return np.where((m == 1) | (n == 1), np.minimum(found, vector), found)


def other_us(profile: Profile, kind: str, bytes_: npt.ArrayLike, blocks_x: npt.ArrayLike) -> Floats:
    """Of kernels of that kind (emulator.times.kernels)."""
    moved, blocks = (np.asarray(each, np.float64) for each in (bytes_, blocks_x))
    return kernel_us(profile.kernels[kind], moved, blocks, profile.memory_gb_s * 1e3)


def all_reduce_us(profile: Profile, bytes_: npt.ArrayLike, ranks: npt.ArrayLike) -> Floats:
    """Over devices of one node, bytes as each rank has them."""
    moved, number = (np.asarray(each, np.float64) for each in (bytes_, ranks))
    factor = 2 * (number - 1) / number
    return collective_us(profile.protocols, profile.collective_floor_us, moved, factor, number)
