"""What may be wrong with a point's figures, each with what to do about it.

In: nothing, or the text of a table's column `warnings`. Out: warnings, and that text. Must not know how any of them is
found out.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

_BETWEEN = ";"


# What there is to do about a warning, the costliest to leave undone first.
REMEDIES = (QUIETER, FEWER, LONGER, CAREFUL, REAL) = (
    "Quieten the machine and measure again",
    "Use fewer devices or threads, or more cores",
    "Measure longer, or in more sessions",
    "Read these columns with care",
    "Measure on a real device before concluding",
)


@dataclass(frozen=True)
class PointWarning:
    """advice: what it means and what to do next. remedy: the same in a heading, shared by all that ask for it.
    hollow: the point's figure stands, but must not be read like the others: it is drawn hollow."""

    name: str
    advice: str
    remedy: str
    hollow: bool = False


OVERSUBSCRIBED = PointWarning(
    "oversubscribed",
    "more ranks x threads than cores, or cores that were not free: waiting for a core is part "
    "of the step time. Do not read it as Python overhead; use fewer devices, fewer threads or more cores",
    FEWER,
    hollow=True,
)
LOADED = PointWarning(
    "loaded",
    "programs that are not the sweep's used a tenth of the cores or more while it was measured (others_share): "
    "end them and measure again; intervals are wide and step times long because of them",
    QUIETER,
)
NOISY = PointWarning(
    "noisy",
    "after all sessions the 95 % interval of the speed-up (of eager: of the step time) was wider than timing.rel_width "
    "(timing.rel_width_step): read the interval and not the estimate; what it shows is shown all the same. For a "
    "narrower one use timing=precise and keep the machine quiet (other jobs, frequency scaling)",
    LONGER,
    hollow=True,
)
CAPPED = PointWarning(
    "capped",
    "as noisy, and there was time for fewer rounds than asked for: raise timing.max_cell_s",
    LONGER,
    hollow=True,
)
STORED_SPREAD = PointWarning(
    "stored_spread",
    "measured in one session: the interval is that of earlier sweeps' sessions on this machine and not its own; "
    "use timing=normal for figures that will be quoted",
    LONGER,
)
BACK_PRESSURE = PointWarning(
    "back_pressure",
    "the launch queue was full while a burst was issued, so that issue_us holds waiting for the "
    "device: use a shallower model, or read issue_us as an upper bound",
    CAREFUL,
)
REPLAY_DIFFERS = PointWarning(
    "replay_differs",
    "device_us and the replay of a CUDA graph of the same step differ by more than 5 % and 1 us a launch: "
    "read device_us, dispatch_share and feedable_devices with that error",
    CAREFUL,
)
SHARED = PointWarning("shared", "another process used the device: measure again when it is alone", QUIETER)
THROTTLED = PointWarning(
    "throttled",
    "the device lowered its clocks (the notes say why): check power limit, cooling and clocks",
    QUIETER,
)
UTILISATION_DIFFERS = PointWarning(
    "utilisation_differs",
    "NVML's utilisation and 1 - dispatch_share differ by more than 10 points: NVML counts any "
    "time in which any kernel ran, however small, and only dispatch_share says how long the device waits",
    CAREFUL,
)
BY_TURNS = PointWarning(
    "by_turns",
    "there was no memory for all environments at once: in each round were `here` (or the first one) and some of the "
    "others, by turns. Their ratios to it are paired within rounds, those between two others need not be: compare two "
    "others in a sweep of their own, or free memory",
    CAREFUL,
)
EMULATED = PointWarning(
    "emulated",
    "the device is emulated: its times are modelled, not measured, and since it computes nothing the "
    "outputs were compared on a CPU copy of the model; measure on a real one before concluding on speed",
    REAL,
)

WARNINGS: dict[str, PointWarning] = {
    warning.name: warning
    for warning in (
        *(NOISY, CAPPED, STORED_SPREAD, OVERSUBSCRIBED, LOADED, BACK_PRESSURE, REPLAY_DIFFERS, SHARED),
        THROTTLED,
        *(UTILISATION_DIFFERS, BY_TURNS, EMULATED),
    )
}
# Of intervals that are wider than asked for.
WIDE = (NOISY, CAPPED)
# In the order in which captions name them.
HOLLOW = (OVERSUBSCRIBED, NOISY, CAPPED)


def joined(warnings: Iterable[PointWarning]) -> str:
    """The text that stands in a table; "" for none."""
    return _BETWEEN.join(warning.name for warning in warnings)


def added(text: str, warning: PointWarning) -> str:
    """Such a text with one more warning at its end."""
    return f"{text}{_BETWEEN}{warning.name}" if text else warning.name


def names(text: object) -> tuple[str, ...]:
    """The names in such a text, each once, also those that another version has written; none where it is no text."""
    parts = text.split(_BETWEEN) if isinstance(text, str) else []
    return tuple(dict.fromkeys(name for part in parts if (name := part.replace(" ", ""))))


def carries(text: object, *warnings: PointWarning) -> bool:
    """Whether any of the warnings stands in such a text."""
    return not {warning.name for warning in warnings}.isdisjoint(names(text))
