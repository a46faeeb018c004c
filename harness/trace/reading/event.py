"""One event of a trace file: the fields that anything is made of, whatever they hold.

In: JSON. Out: Events. Must not know what an event means.
"""

from __future__ import annotations

import json
from typing import Any, Generic, TypeVar

import msgspec

# Kineto has written control characters and lone infinities into names and numbers.
DECODER = json.JSONDecoder(strict=False)


class Arguments(msgspec.Struct, gc=False):
    """What stands in an event's args; None where it does not."""

    correlation: Any = None
    external: Any = msgspec.field(default=None, name="External id")
    external_before: Any = msgspec.field(default=None, name="external id")
    device: Any = None
    stream: Any = None
    grid: Any = None
    block: Any = None
    bytes: Any = None
    collective: Any = msgspec.field(default=None, name="Collective name")
    elements: Any = msgspec.field(default=None, name="In msg nelems")
    group: Any = msgspec.field(default=None, name="Process Group Name")


Place = int | float | str | None
NO_ARGUMENTS = Arguments()


class Event(msgspec.Struct, gc=False):
    """Times in us, which a double holds exactly for longer than there are clocks; see Chrome's Trace Event Format."""

    ph: str = ""
    cat: str = ""
    name: str = ""
    pid: Place = None
    tid: Place = None
    ts: float | None = None
    dur: float | None = 0.0
    args: Arguments | None = None


Kind = TypeVar("Kind", bound=msgspec.Struct)


class Decoder(Generic[Kind]):
    """JSON of events as one type."""

    def __init__(self, kind: type[Kind]) -> None:
        self._kind = kind
        self._many = msgspec.json.Decoder(list[kind])  # type: ignore[valid-type]

    def many(self, text: str) -> list[Kind] | None:
        """Those of a list of JSON without its brackets; None where it is none."""
        try:
            found: list[Kind] = self._many.decode(f"[{text}]")
            return found
        except (msgspec.DecodeError, RecursionError):
            pass  # no JSON, but perhaps what profilers write for it; or an event of another shape
        try:
            values = DECODER.decode(f"[{text}]")
        except (ValueError, RecursionError):
            return None
        return [event for value in values if (event := self.one(value))]

    def one(self, value: Any) -> Kind | None:
        """None where it is no object. What is of another type than Kineto's is as if it were not there."""
        if not isinstance(value, dict):
            return None
        try:
            return msgspec.convert(value, self._kind)
        except (msgspec.ValidationError, OverflowError):
            fitting = {name: each for name, each in value.items() if self._fits(name, each)}
            return msgspec.convert(fitting, self._kind)

    def _fits(self, name: Any, value: Any) -> bool:
        try:
            msgspec.convert({name: value}, self._kind)
        except (msgspec.ValidationError, OverflowError):
            return False
        return True


EVENTS = Decoder(Event)
