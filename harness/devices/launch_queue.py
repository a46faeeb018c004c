"""How many steps may be issued at once without the host being made to wait for room in the launch queue.

In: what a step launches, counted or estimated. Out: a number of steps. Must not import torch, nor know devices.
"""

from __future__ import annotations

from harness.core.launches import AT_MOST

# Launches that may be queued without the host being made to wait. CUDA's queue holds about 1,024; a
# quarter of it leaves room for launches that the estimate below does not count.
BURST_LAUNCHES = 256
# A product with split sums is two, and a cast beside it.
AT_MOST_OF_OPERATION = 2


def launches_of_step(depth: int, workload: str) -> int:
    """An estimate, for steps whose launches could not be counted."""
    return depth * AT_MOST[workload]


def steps_that_fit(launches: int) -> int | None:
    """Steps of so many launches each that fit the queue; None where not even one does."""
    # A single step that overfills the queue would measure the queue, not the host.
    return BURST_LAUNCHES // launches or (1 if launches <= 3 * BURST_LAUNCHES else None)
