"""The share of a host's cores that other programs used while something was measured there.

In: samplings, and the times of blocks. Out: a share, or NaN where nobody looked. Must not know the points' table.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from harness.analysis.sampled.samples import Floats, Numbers, Sampling
from harness.analysis.sampled.window import NAN, Rank
from harness.core.cpu_time import share_of_others

# Blocks that lie no further apart belong to one visit: CPU time is looked at twice a second only.
SAME_VISIT_NS = 1_000_000_000


def share_beside(
    samplings: Sequence[Sampling], ranks: Iterable[Rank], starts_ns: Numbers, ends_ns: Numbers
) -> float:
    """Share of the usable cores that others used during those blocks, on the host where it was largest.

    starts_ns, ends_ns: of blocks, on the clock of rank 0, in any order.
    """
    spans = visits(starts_ns, ends_ns)
    places = {rank.host: rank.offset_ns for rank in ranks}
    shares = [
        share
        for host, offset_ns in places.items()
        for sampling in samplings
        if sampling.host == host and (share := _share(sampling, spans - offset_ns)) == share
    ]
    return max(shares, default=NAN)


def visits(starts_ns: Numbers, ends_ns: Numbers) -> Numbers:
    """Blocks joined to visits: rows of start and end."""
    if not len(starts_ns):
        return np.empty((0, 2), np.int64)
    order = np.argsort(starts_ns, kind="stable")
    starts, ends = starts_ns[order], np.maximum.accumulate(ends_ns[order])
    first = np.concatenate([[True], starts[1:] > ends[:-1] + SAME_VISIT_NS])
    last = np.concatenate([first[1:], [True]])
    return np.stack([starts[first], ends[last]], axis=1)


def _share(sampling: Sampling, spans: Numbers) -> float:
    """Of one host, over those of the spans that lie between two looks; NaN where there are none."""
    t_ns = sampling.others_t_ns
    if len(t_ns) < 2 or sampling.usable < 1:
        return NAN
    spans = spans[(spans[:, 0] < t_ns[-1]) & (spans[:, 1] > t_ns[0])]
    if not len(spans):
        return NAN
    # Between two looks all that is known is the mean: a short visit has that of the looks around it.
    seconds: Floats = np.interp(spans, t_ns, sampling.others_s)
    wall_s = float((np.clip(spans[:, 1], None, t_ns[-1]) - np.clip(spans[:, 0], t_ns[0], None)).sum()) / 1e9
    if wall_s <= 0:
        return NAN
    others_s = float((seconds[:, 1] - seconds[:, 0]).sum())
    return share_of_others(others_s, wall_s, max(sampling.allowed, sampling.usable), sampling.usable)
