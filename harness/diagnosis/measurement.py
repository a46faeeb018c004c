"""What was measured of a step, before anything is concluded from it.

In: figures. Out: a Measurement. Must not know torch, nor how anything was measured.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from harness.core.stats.intervals import Interval
from harness.diagnosis.asked import Work
from harness.diagnosis.host.found import Look
from harness.diagnosis.parts.ladder import Ladder


@dataclass(frozen=True)
class Measurement:
    """Times in microseconds of one step. issue, device: None on a CPU, or where the step makes the host wait for the
    device, so that it cannot be queued. pace: this process's microseconds over the passport's."""

    whole: Interval
    issue: Interval | None
    device: Interval | None
    launches: int | None
    ladder: Ladder | None
    layer: tuple[str, Ladder] | None
    look: Look
    work: Work
    pace: float
    synchronous: bool
    notes: tuple[str, ...] = field(default=())
