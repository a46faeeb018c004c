"""The work of a step as a curve over models and batches: fixed part, floor a layer, memory and arithmetic.

In: shapes and times. Out: a Curve of at most five coefficients, each with a unit. Must not know modes or runs.
A roofline (Williams et al., CACM 2009) whose corner may be smooth, fitted on relative errors.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from scipy.optimize import least_squares, nnls

from harness.kernels.shape import TRAIN_PRODUCTS, Shape

Floats = npt.NDArray[np.float64]

# Coefficients and their units: times, whose inverses are rates (us per kB: 1 / (GB/s); us per million
# operations: 1 / (TFLOP/s)).
FIXED, LAYER, WEIGHTS, SAMPLES, FLOPS = "fixed", "layer", "weights", "activations", "operations"
UNITS = {
    FIXED: "us a step",
    LAYER: "us a layer",
    WEIGHTS: "us per kB",
    SAMPLES: "us per kB",
    FLOPS: "us per million operations",
}
RATES = {WEIGHTS: "GB/s", SAMPLES: "GB/s", FLOPS: "TFLOP/s"}
# What is given up first where there are fewer times than coefficients.
EXPENDABLE = (WEIGHTS, SAMPLES, FIXED, FLOPS)

# Exponents p of (a^p + b^p)^(1/p): 1 is the sum (nothing overlaps), 8 is nearly the larger one (all overlaps).
CORNERS = (1.0, 2.0, 8.0)
# Times beyond what the coefficients need before a corner is chosen by them.
SPARE_FOR_CORNER = 3
# A coefficient that nowhere makes up so much of a time was not seen, and is no finding.
UNSEEN = 0.01
# Relative error from which on an outlier (a disturbed cell) counts linearly.
ROBUST_FROM = 0.1


@dataclass(frozen=True)
class _Features:
    """Layers of all shapes, one entry per kind of layer: which shape, how many, kB, kB and million operations."""

    rows: int
    row: Floats
    count: Floats
    amounts: Mapping[str, Floats]

    def summed(self, values: Floats) -> Floats:
        found = np.bincount(self.row.astype(int), self.count * values, minlength=self.rows)
        return found.astype(np.float64)

    def columns(self, names: Sequence[str]) -> Floats:
        """The design where nothing overlaps: shapes x coefficients."""
        ones = np.ones_like(self.row)
        return np.column_stack(
            [np.ones(self.rows) if n == FIXED else self.summed(self.amounts.get(n, ones)) for n in names]
        )


def _features(shapes: Sequence[Shape]) -> _Features:
    row, count, weights, samples, flops = [], [], [], [], []
    for index, shape in enumerate(shapes):
        passes = TRAIN_PRODUCTS if shape.workload == "train" else 1
        for (into, out), number in Counter(shape.layers).items():
            row.append(index)
            count.append(number)
            weights.append(passes * into * out * shape.item / 1e3)
            samples.append(passes * shape.batch * (into + out) * shape.item / 1e3)
            flops.append(passes * 2 * shape.batch * into * out / 1e6)
    arrays = [np.asarray(values, dtype=np.float64) for values in (row, count, weights, samples, flops)]
    return _Features(
        len(shapes), arrays[0], arrays[1], {WEIGHTS: arrays[2], SAMPLES: arrays[3], FLOPS: arrays[4]}
    )


@dataclass(frozen=True)
class Curve:
    """Coefficients in UNITS; corner: see CORNERS. layer_adds: whether the time a layer has anyway comes before
    its work (host and device are one core) or runs beside it (the shortest kernel)."""

    coefficients: Mapping[str, float] = field(default_factory=dict)
    corner: float = 1.0
    layer_adds: bool = False

    def terms(self) -> list[str]:
        """`operations at 0.081 TFLOP/s`: what is not zero, with its unit."""
        return [
            f"{name} at {1 / value:.3g} {RATES[name]}"
            if name in RATES
            else f"{name} {value:.3g} {UNITS[name]}"
            for name, value in self.coefficients.items()
            if value > 0
        ]

    def us(self, shape: Shape) -> float:
        return float(self.many([shape])[0])

    def many(self, shapes: Sequence[Shape]) -> Floats:
        return _evaluate(_features(shapes), self.coefficients, self.corner, self.layer_adds)

    def without(self, *names: str) -> Curve:
        left = {name: value for name, value in self.coefficients.items() if name not in names}
        return Curve(left, self.corner, self.layer_adds)


def _evaluate(f: _Features, coefficients: Mapping[str, float], corner: float, layer_adds: bool) -> Floats:
    def part(name: str) -> Floats:
        return coefficients.get(name, 0.0) * f.amounts[name]

    floor = np.full_like(f.row, coefficients.get(LAYER, 0.0))
    memory, arithmetic = part(WEIGHTS) + part(SAMPLES), part(FLOPS)
    beside = [memory, arithmetic] if layer_adds else [floor, memory, arithmetic]
    # Scaled by the largest, so that powers of small numbers do not vanish.
    top = np.maximum(np.max(beside, axis=0), 1e-300)
    layers = top * np.sum([(each / top) ** corner for each in beside], axis=0) ** (1 / corner)
    if layer_adds:
        layers = layers + floor
    return coefficients.get(FIXED, 0.0) + f.summed(layers)


def fit_curve(
    shapes: Sequence[Shape], times_us: Floats, *, layer_adds: bool, only: Collection[str] = tuple(UNITS)
) -> Curve:
    """The curve with the least relative errors; coefficients are never negative.

    shapes, times_us: as many, times above 0. Coefficients of what does not vary among the shapes are left out:
    they could not be told from the others, and those that are not in `only`.
    """
    features = _features(shapes)
    names = [name for name in _telling(shapes, features) if name in only]
    design = features.columns(names)
    shares = design / times_us[:, None]
    start, _ = nnls(shares, np.ones(len(shapes)))

    def curve(values: Floats, corner: float) -> Curve:
        seen = {
            n: float(v)
            for n, v, most in zip(names, values, shares.max(axis=0), strict=True)
            if v * most >= UNSEEN
        }
        return Curve(seen, corner, layer_adds)

    best = curve(start, 1.0)
    # Each coefficient in units of what it would be if it alone made up a typical time.
    unit = 1 / np.maximum(np.median(shares, axis=0), 1e-300)

    def residuals(values: Floats, corner: float) -> Floats:
        chosen = dict(zip(names, (values * unit).tolist(), strict=True))
        found: Floats = np.log(np.maximum(_evaluate(features, chosen, corner, layer_adds), 1e-9) / times_us)
        return found

    least = float("inf")
    several = len(shapes) - len(names) >= SPARE_FOR_CORNER and not {WEIGHTS, SAMPLES, FLOPS}.isdisjoint(names)
    for corner in CORNERS if several else CORNERS[:1]:
        solved = least_squares(
            residuals,
            np.maximum(start / unit, 1e-3),
            bounds=(0, np.inf),
            loss="soft_l1",
            f_scale=ROBUST_FROM,
            # A report has a hundred of these to solve, and its times are not known to a thousandth.
            ftol=1e-4,
            xtol=1e-4,
            max_nfev=30,
            args=(corner,),
        )
        if solved.cost < least * (1 - 1e-6):
            least = float(solved.cost)
            best = curve(solved.x * unit, corner)
    return best


def _telling(shapes: Sequence[Shape], features: _Features) -> list[str]:
    """The coefficients that these shapes can tell from each other."""
    names = [LAYER]
    if len({shape.depth for shape in shapes}) > 1:
        names.insert(0, FIXED)
    if _varies(features.amounts[WEIGHTS]):
        names.append(WEIGHTS)
    if _varies(features.amounts[FLOPS]):
        names.append(FLOPS)
        if _varies(features.amounts[FLOPS] / features.amounts[SAMPLES]):
            names.append(SAMPLES)
    for name in EXPENDABLE:
        if len(names) > len(shapes) and name in names:
            names.remove(name)
    return names


def _varies(values: Floats) -> bool:
    return bool(values.max() > values.min() * (1 + 1e-9))
