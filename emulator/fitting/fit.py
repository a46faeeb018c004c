"""Constants that fit measured kernels best.

In: a Profile to begin with, Tables. Out: a Profile. Must not know files.

Relative errors count, all durations alike: the sum of soft |log(modelled / measured)|, in which a row far off counts
little more than one that is off, each row by 1 / sqrt(rows of its type and duration). By differential evolution (Storn
and Price, 1997; scipy), since the fastest of many tiles has corners; seeded, so that a fit can be repeated.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from functools import partial

import numpy as np
import pandas as pd
from scipy.optimize import differential_evolution

from emulator.fitting.modelled import COLLECTIVE_BYTES, LEAST_SHAPES, duration_class
from emulator.fitting.tables import Tables
from emulator.profile import Profile
from emulator.times.collectives import Protocol, collective_us
from emulator.times.device import machine_of
from emulator.times.kernels import ALL_KINDS, ELEMENTWISE, OTHER, Floats, KernelTimes, kernel_us
from emulator.times.products import ITEM_BYTES, Machine, Products, ProductTimes

SEED = 1
# What an error is soft below.
SOFT = 0.02
# Bounds. A product's floor is at most so many times the shortest kernel: a library's own beginning and end are more
# than nothing, but no table has products that are next to nothing.
FLOOR_OVER_SHORTEST = 5.0
PRODUCT_BOUNDS = {
    **{"floor_us": (0.3, 8.0), "share": (0.3, 1.05), "half": (0.5, 200.0), "step_us": (0.005, 1.5)},
    **{"ramp_us": (0.05, 15.0), "unaligned": (1.0, 3.0), "memory_share": (0.4, 3.0), "split_us": (0.3, 12.0)},
}
KERNEL_BOUNDS = {"floor_us": (0.5, 40.0), "share": (0.005, 3.0), "root_us": (1e-4, 10.0)}
PROTOCOL_BOUNDS = {"base_us": (1.0, 100.0), "hop_us": (0.05, 20.0), "gb_s": (1.0, 1000.0)}
PROTOCOLS = 3
# A number format that no table has takes the constants of the one with the nearest peak, if it is the same units of an
# SM by it: none is further apart than this.
SAME_UNITS = 2.5
# A weak pull towards these, so that few rows leave no constant where it makes no sense: so much for a factor of e.
USUAL = {
    **{"floor_us": 3.0, "share": 0.75, "half": 20.0, "step_us": 0.15, "ramp_us": 2.0, "unaligned": 1.5},
    **{"memory_share": 0.9, "split_us": 3.0, "root_us": 1.0},
}
PULL = 0.001
# Fewer rows of a kind say nothing of its own.
LEAST_ROWS = 4


def fit(profile: Profile, tables: Tables) -> Profile:
    """The profile with the constants that the tables tell; what they do not tell stays."""
    found = replace(profile)
    for key, (us, _) in tables.told.items():
        setattr(found, key, round(us, 3))
    parts = tables.parts()
    if "products" in parts:
        found = _fit_products(found, parts["products"])
        vectors = _as_kernels(parts["products"])
        if len(vectors) >= LEAST_ROWS:
            found = replace(found, kernels=found.kernels | _fit_kernels(found, vectors))
    if "kernels" in parts:
        found = replace(found, kernels={**found.kernels, **_fit_kernels(found, parts["kernels"])})
    if "collectives" in parts:
        found = _fit_collectives(found, parts["collectives"])
    return found


def _fit_products(profile: Profile, rows: pd.DataFrame) -> Profile:
    fitted: dict[str, ProductTimes] = {}
    for arithmetic, own in rows.groupby("arithmetic", sort=True):
        if len(own) < LEAST_SHAPES:
            continue
        m, n, k, batch = (own[name].to_numpy(np.float64) for name in ("m", "n", "k", "batch"))
        products = Products(m, n, k, batch, ITEM_BYTES[str(arithmetic)], own["transposed"].to_numpy(bool))
        bounds = PRODUCT_BOUNDS | {"floor_us": (0.3, FLOOR_OVER_SHORTEST * profile.shortest_kernel_us)}
        values = _best(partial(_products_us, products, machine_of(profile, str(arithmetic))), own, bounds)
        fitted[str(arithmetic)] = ProductTimes(**values)
    borrowed = {each: like for each in ITEM_BYTES if (like := _like(profile, each, list(fitted)))}
    return replace(
        profile, products={**profile.products, **{each: fitted[like] for each, like in borrowed.items()}}
    )


def _products_us(products: Products, machine: Machine, values: Mapping[str, float]) -> Floats:
    return products.us(ProductTimes(**values), machine)


def _like(profile: Profile, arithmetic: str, fitted: Sequence[str]) -> str | None:
    """Whose constants a number format takes: its own, or those of the nearest that was fitted."""
    peak = profile.flop_s[arithmetic]
    apart = {each: abs(np.log(profile.flop_s[each] / peak)) for each in fitted if each != arithmetic}
    if arithmetic in fitted:
        return arithmetic
    return min(
        (each for each, far in apart.items() if far <= np.log(SAME_UNITS)),
        key=apart.__getitem__,
        default=None,
    )


def _as_kernels(products: pd.DataFrame) -> pd.DataFrame:
    """Those of a matrix and a vector, as one kind of kernel that moves its operands."""
    rows = products[(products["m"] == 1) | (products["n"] == 1)]
    m, n, k = rows["m"], rows["n"], rows["k"]
    moved = rows["batch"] * (m * k + k * n + m * n) * rows["arithmetic"].map(ITEM_BYTES)
    return rows.assign(kind="matrix_vector", bytes_=moved.astype(float), blocks_x=0.0)


def _fit_kernels(profile: Profile, rows: pd.DataFrame) -> dict[str, KernelTimes]:
    bytes_us = profile.memory_gb_s * 1e3

    def best(own: pd.DataFrame, rooted: bool) -> KernelTimes:
        moved, first = (own[name].to_numpy(np.float64) for name in ("bytes_", "blocks_x"))
        names = ("floor_us", "share", "root_us")[: 3 if rooted else 2]
        values = _best(
            lambda given: kernel_us(KernelTimes(**given), moved, first, bytes_us),
            own,
            {name: KERNEL_BOUNDS[name] for name in names},
        )
        return KernelTimes(**values)

    plain = rows[rows["kind"].isin(ELEMENTWISE)]
    found: dict[str, KernelTimes] = {}
    for kind in ALL_KINDS:
        own = rows[rows["kind"] == kind]
        if len(own) >= LEAST_ROWS:
            found[kind] = best(own, kind in ("column_sum", "reduction"))
        elif len(plain) >= LEAST_ROWS and kind != "matrix_vector":
            found[kind] = best(pd.concat([plain, own]) if kind != OTHER else plain, rooted=False)
    return found


def _fit_collectives(profile: Profile, rows: pd.DataFrame) -> Profile:
    """To those that are large enough: what launching costs hides in the others, where the host's clock was read."""
    rows = rows[rows["bytes_"].between(*COLLECTIVE_BYTES)]
    moved, ranks = (rows[name].to_numpy(np.float64) for name in ("bytes_", "ranks"))
    factor = 2 * (ranks - 1) / ranks
    bounds: dict[str, tuple[float, float]] = {}
    for each in range(PROTOCOLS):
        bounds |= {f"{name}{each}": limits for name, limits in PROTOCOL_BOUNDS.items()}

    def protocols(values: Mapping[str, float]) -> list[Protocol]:
        return [
            Protocol(**{name: values[f"{name}{each}"] for name in PROTOCOL_BOUNDS})
            for each in range(PROTOCOLS)
        ]

    values = _best(
        lambda given: collective_us(protocols(given), profile.collective_floor_us, moved, factor, ranks),
        rows,
        bounds,
    )
    return replace(profile, protocols=protocols(values))


def _best(
    us: Callable[[Mapping[str, float]], Floats], rows: pd.DataFrame, bounds: Mapping[str, tuple[float, float]]
) -> dict[str, float]:
    """Values within the bounds for which modelled times are nearest to those of the rows."""
    logs, weights = np.log(rows["us"].to_numpy(np.float64)), _weights(rows)

    def values_of(point: Floats) -> dict[str, float]:
        return dict(zip(bounds, np.exp(point).tolist(), strict=True))

    def cost(point: Floats) -> float:
        apart = np.log(us(values_of(point))) - logs
        pulled = PULL * ((point - usual)[has_usual] ** 2).sum()
        return float((weights * np.sqrt(apart**2 + SOFT**2)).sum() + pulled)

    usual = np.log([USUAL.get(name, np.nan) for name in bounds])
    has_usual = np.isfinite(usual)
    limits = [tuple(np.log(each)) for each in bounds.values()]
    found = differential_evolution(cost, limits, seed=SEED, popsize=10, maxiter=200, tol=1e-4, init="sobol")
    return {name: float(f"{value:.4g}") for name, value in values_of(found.x).items()}


def _weights(rows: pd.DataFrame) -> Floats:
    if "ranks" in rows:
        return np.full(len(rows), 1 / len(rows))
    kind = rows["arithmetic"] if "arithmetic" in rows else rows["kind"]
    alike = rows.groupby([rows["table"], kind, duration_class(rows["us"])])["us"].transform("size")
    weights: Floats = 1 / np.sqrt(alike.to_numpy(np.float64))
    weights /= weights.sum()
    return weights


assert set(PRODUCT_BOUNDS) == {each.name for each in fields(ProductTimes)}
