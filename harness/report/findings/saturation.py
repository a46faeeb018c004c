"""Why a mode does not get faster with more devices: the cores, the interpreter, the thread, or the devices.

In: one row of a tidy table. Out: what is saturated, in words. Must not know sentences around it.
The cores are asked about before the interpreter: where they are all busy, a free interpreter would not help.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from harness.report.findings.claim import FREE
from harness.report.table.formats import count, significant

# Of the cores' time: from here on nothing is left to run on.
SATURATED = 0.9
# Cores that one thread keeps busy: one, but for errors and helpers.
ONE_CORE = (0.75, 1.25)
# A thread that waits for the lock gives its core up by itself, one that wants for a core is taken off it: so many
# times as often must the first be.
HANDED_OVER = 3.0
# CPU time is measured with some error: so far beyond all cores it still means all of them.
MEASURED_OVER = 1.1
# Noise between sessions is far below that: with so much more on the same machine the lock is proven to cost.
PROVEN = 1.5


def cores_used(row: Mapping[str, Any]) -> float:
    """CPU time over wall time of all ranks together; NaN where it was not recorded."""
    ranks = int(row["devices"]) if row["controller"] == "processes" else 1
    return float(row["host_cpu_share"]) * ranks


def saturated(row: Mapping[str, Any], own_interpreters: float = math.nan) -> str:
    """What a sentence on a mode that does not scale ends with.

    own_interpreters: throughput of the same mode on as many devices with a process, and so an interpreter, for
    each, over this row's; NaN where that was not measured.
    """
    used, cores, controller = cores_used(row), row["cores"], row["controller"]
    if row["device_us"] > 0 and row["dispatch_share"] < FREE:
        return "the devices themselves are the limit, which hardly ever wait"
    if math.isnan(used):
        return "what holds it back cannot be told, since no CPU time was recorded"
    # More than all shared cores cannot be used: then each rank has cores of its own, which says nothing of others'.
    # Not so where ranks are known to wait for cores: their blocks then lie one after the other in part.
    if cores > 0 and row["oversubscribed"]:
        used = min(used, cores)
    spent = (
        f"{significant(used, 2)} of {count(int(cores), 'core')} busy" if cores > 0 else "cores not recorded"
    )
    if cores > 0 and SATURATED * cores <= used <= MEASURED_OVER * cores:
        if cores < 2:
            return f"the only core is saturated, so that core and interpreter cannot be told apart ({spent})"
        return f"the {int(cores)} cores of the machine, not the interpreter, are saturated ({spent})"
    one_core = ONE_CORE[0] <= used <= ONE_CORE[1]
    # Of the thread itself where that was recorded: helpers beside it (a driver's threads) do not feed anything.
    if controller == "loop" and (one_core or row["main_thread_share"] >= SATURATED):
        return f"one thread, which is busy all the time, is the limit ({spent})"
    if controller == "threads" and row["locked"]:
        if row["gil"] == "no":
            return f"the interpreter is free-threaded, and what holds it back cannot be told apart ({spent})"
        waits, taken = row["waits_s"], row["preemptions_s"]
        handed = f"{significant(waits, 2)} waits a second against {significant(taken, 2)} preemptions"
        if row["gil"] == "yes" and waits >= HANDED_OVER * max(taken, 1.0):
            return f"one interpreter is the limit, since its lock lets one thread run at a time ({spent}, {handed})"
        if row["gil"] == "yes" and own_interpreters >= PROVEN:
            more = f"an interpreter for each device gives {significant(own_interpreters)} times as much there"
            return f"one interpreter is the limit, since its lock lets one thread run at a time ({more}; {spent})"
    return f"what holds it back cannot be told apart ({spent})"
