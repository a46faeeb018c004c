"""Of what passes somewhere between two lines, the lines.

In: times by where they pass, samples. Out: times by line. Must not know how either came about.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from types import CodeType

from harness.diagnosis.host.samples import Lines
from harness.diagnosis.host.stretches import Where

Line = tuple[CodeType, int]


def by_line(
    times: Mapping[Where, float], samples: Lines, torch_lines: Mapping[CodeType, set[int]]
) -> dict[Line, float]:
    """Each time at its line, or parted between the lines it may be of as samples were.

    Lines that torch was called from are not among them, unless there is no other: there samples are torch's too.
    Without samples: the last line.
    """
    found: dict[Line, float] = defaultdict(float)
    for where, ns in times.items():
        if where.first == where.last:
            found[where.code, where.last] += ns
            continue
        seen = {
            line: count
            for (code, line), count in samples.items()
            if code is where.code and (where.last < where.first or where.first <= line <= where.last)
        }
        without = {line: count for line, count in seen.items() if line not in torch_lines.get(where.code, ())}
        shares = without or seen or {where.last: 1}
        whole = sum(shares.values())
        for line, count in shares.items():
            found[where.code, line] += ns * count / whole
    return dict(found)
