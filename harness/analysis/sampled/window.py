"""Where and when points were held in a steady state, and what their devices did meanwhile.

In: records of ranks. Out: values. Must not know samples.
"""

from __future__ import annotations

from dataclasses import dataclass

from harness.records.kinds import Identity, Session

NAN = float("nan")


@dataclass(frozen=True)
class Rank:
    """Where a rank of a session ran, and the devices it drove as it names them. offset_ns: to rank 0's clock."""

    host: str
    pid: str
    devices: tuple[Identity, ...]
    offset_ns: int = 0

    @staticmethod
    def of(session: Session) -> Rank:
        """From a session's first record; runs of earlier versions name neither host nor devices."""
        return Rank(
            session.host,
            "" if session.pid is None else str(session.pid),
            tuple(device for device in session.devices if device.uuid or device.pci),
            session.clock_offset_ns,
        )


@dataclass(frozen=True)
class Window:
    """For so long a rank held a point in a steady state, with so many steps on each of its devices."""

    rank: Rank
    start_ns: int
    end_ns: int
    steps: int


@dataclass(frozen=True)
class Steady:
    """A point while it was held in a steady state: means over its devices, NaN where they are not known of all of them.

    joules_a_step: of all devices together. integrated: whether power was integrated for it, since some device has
    no energy counter. throttled: reasons. why: why no device's samples could be used; empty where they were.
    """

    util_pct: float = NAN
    sm_active_pct: float = NAN
    power_w: float = NAN
    joules_a_step: float = NAN
    integrated: bool = False
    throttled: frozenset[str] = frozenset()
    why: str = ""
