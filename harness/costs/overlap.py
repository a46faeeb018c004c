"""How issue and work of the devices make the time of a step: in turn, at once, or one behind the other.

In: host and device time for one device, who issues, how many devices. Out: microseconds. Must not know where those
times come from.
"""

from __future__ import annotations

from harness.kernels.links import exposed_us


def turns(controller: str, devices: int, locked: bool) -> int:
    """How many steps one thread, or one lock, issues after each other until all devices have theirs."""
    one_after_the_other = controller == "loop" or (controller == "threads" and locked)
    return devices if one_after_the_other else 1


def combined_us(
    issue_us: float,
    work_us: float,
    times: int,
    controller: str,
    synchronous: bool,
    exchange_us: tuple[float, float] = (0.0, 0.0),
) -> float:
    """Step time from one device's issue and work, and the all-reduce of all and of the last bucket."""
    exposed = exposed_us(*exchange_us, work_us)
    if not synchronous:
        return max(times * issue_us, work_us + exposed)
    if controller == "loop":  # the one thread computes as well
        return times * (issue_us + work_us) + exposed
    return max(times * issue_us, issue_us + work_us) + exposed
