"""How causes look, and what a device of a trace is called, in every figure on traces.

In: causes and devices. Out: colours, words, labels. Must not know any single figure.
"""

from __future__ import annotations

from harness.report.table.formats import one_line
from harness.trace.host import OUTSIDE
from harness.trace.idle import HOST_LATE, IN_FLIGHT, SYNCHRONISED, UNKNOWN, WAITING, Device
from harness.trace.looked import Rank

BUSY, COLLECTIVE = "#c9ced6", "#9aa5b5"
# Of seaborn's colour-blind-safe palette; the host's own lateness is what one looks for.
COLOURS = {
    HOST_LATE: "#d55e00",
    IN_FLIGHT: "#ece133",
    WAITING: "#029e73",
    SYNCHRONISED: "#cc78bc",
    OUTSIDE: "#56b4e9",
    UNKNOWN: "#ffffff",
}
WORDS = {
    HOST_LATE: "host late",
    IN_FLIGHT: "launch in flight",
    WAITING: "held back by another stream",
    SYNCHRONISED: "host synchronised",
    OUTSIDE: "data and outside",
    UNKNOWN: "unknown",
}
LONGEST = 34


def label(rank: Rank, device: Device) -> str:
    """The rank alone, where it has one device."""
    alone = len(rank.whole) == 1
    return one_line(rank.label if alone else f"{rank.label}, device {device.number}", LONGEST)
