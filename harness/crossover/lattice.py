"""Values on depths and batches, and what stands between them.

In: arrays with NaN where nothing was measured. Out: the holes filled from their neighbours, values in between. Must not
know what the values mean. Everything is linear in the logarithms of depth and batch, and works on many draws at once.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


def weights(known: Floats, wanted: Floats) -> tuple[Floats, npt.NDArray[np.int64], Floats]:
    """How each wanted place lies between two known ones, on a logarithmic axis: a matrix (wanted x known) that
    interpolates, the gap it lies in, and its place in that gap (0 to 1). Outside: the nearest."""
    matrix = np.zeros((len(wanted), len(known)))
    if len(known) == 1:
        matrix[:, 0] = 1.0
        return matrix, np.zeros(len(wanted), dtype=np.int64), np.zeros(len(wanted))
    logs, places = np.log(known), np.log(wanted)
    gap = np.clip(np.searchsorted(logs, places, side="right") - 1, 0, len(known) - 2).astype(np.int64)
    part = np.clip((places - logs[gap]) / (logs[gap + 1] - logs[gap]), 0.0, 1.0)
    rows = np.arange(len(wanted))
    matrix[rows, gap] = 1 - part
    matrix[rows, gap + 1] += part
    return matrix, gap, part


def filled(values: Floats, depths: Floats, batches: Floats) -> tuple[Floats, Bools]:
    """values: draws x depths x batches, NaN at the same places in every draw. Out: without NaN, and which places are
    known: measured, or between two that were, at the same depth or the same batch. The rest take the nearest."""
    holes = np.isnan(values[0])
    known, result = ~holes, values.copy()
    for row, column in zip(*np.nonzero(holes), strict=True):
        result[:, row, column], between = neighbours(values, depths, batches, int(row), int(column))
        known[row, column] = between
    return result, known


def neighbours(values: Floats, depths: Floats, batches: Floats, row: int, column: int) -> tuple[Floats, bool]:
    """What the others say of one place: along batch and along depth, the nearer pair counting more; and whether it
    lies between any."""
    found, shares = [], []
    along = ((values[:, row, :], np.log(batches), column), (values[:, :, column], np.log(depths), row))
    for line, places, place in along:
        there = np.nonzero(~np.isnan(line[0]))[0]
        before, after = there[there < place], there[there > place]
        if len(before) and len(after):
            one, other = before[-1], after[0]
            span = places[other] - places[one]
            part = (places[place] - places[one]) / span
            found.append((1 - part) * line[:, one] + part * line[:, other])
            shares.append(1 / span**2)
    if found:
        return np.asarray(np.average(found, axis=0, weights=shares), dtype=np.float64), True
    for line, places, place in along:
        there = np.nonzero(~np.isnan(line[0]))[0]
        there = there[there != place]
        if len(there):
            nearest = there[np.argmin(np.abs(places[there] - places[place]))]
            return line[:, nearest], False
    return np.zeros(len(values)), False


def falling(values: Floats, trust: Floats) -> Floats:
    """The nearest values (weighted least squares) that never rise along the last axis. trust: their weights.

    Pool adjacent violators by its max-min formula (Barlow et al., Statistical Inference under Order Restrictions,
    1972), which works on all lines at once.
    """
    size = values.shape[-1]
    heavy = np.cumsum(np.broadcast_to(trust, values.shape), axis=-1)
    total = np.cumsum(values * trust, axis=-1)
    zero = np.zeros((*values.shape[:-1], 1))
    heavy, total = np.concatenate([zero, heavy], axis=-1), np.concatenate([zero, total], axis=-1)
    result = np.empty_like(values)
    for place in range(size):
        # Means from k to l, for every k at or before the place and every l at or behind it.
        ends = np.arange(place + 1, size + 1)
        starts = np.arange(place + 1)
        sums = total[..., None, ends] - total[..., starts, None]
        mass = heavy[..., None, ends] - heavy[..., starts, None]
        result[..., place] = (sums / mass).max(axis=-1).min(axis=-1)
    return result


def last_fall(values: Floats, batches: Floats, known: Bools, level: float) -> tuple[Floats, Floats, Floats]:
    """Per line (the last axis goes over batches) the batch from which on values stay below the level; 0 and infinity as
    in values.At. known: per line, which batches count. Also the known batches beside it, 0 and infinity where none."""
    above = (values >= level) & known
    any_above, size = above.any(axis=-1), values.shape[-1]
    last = size - 1 - np.argmax(above[..., ::-1], axis=-1)
    final = size - 1 - np.argmax(np.broadcast_to(known, values.shape)[..., ::-1], axis=-1)
    after = np.minimum(last + 1, size - 1)
    one, other = (np.take_along_axis(values, at[..., None], -1)[..., 0] for at in (last, after))
    drop = one - other
    part = np.clip(np.divide(one - level, drop, out=np.ones_like(drop), where=drop > 0), 0.0, 1.0)
    logs = np.log(batches)
    crossing = np.exp(logs[last] + part * (logs[after] - logs[last]))
    beyond = any_above & (last >= final)
    batch = np.where(beyond, np.inf, np.where(any_above, crossing, 0.0))
    before = np.where(any_above, batches[last], 0.0)
    behind = np.where(beyond, np.inf, np.where(any_above, batches[after], batches[np.argmax(known, axis=-1)]))
    return batch, before, behind
