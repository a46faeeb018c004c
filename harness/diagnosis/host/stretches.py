"""Events to times: what passes in the user's own code and what in waiting for data, by line.

In: Events, and what an event adds. Out: nanoseconds by where they pass. Must not know how steps are called.

A stretch is the time between two of torch's doings, in which only the user's code, libraries and the standard library
run. A short one is how a model is written down: it counts as calling torch. A long one is the user's own work, and so
is, however short, what passes in functions written in C of modules that do something (time, json, sockets, ...).
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from types import CodeType

from harness.diagnosis.host.events import Cost, Events, Kind
from harness.diagnosis.host.owners import Owner, asks_for_data, is_torch, owner_of

# Some thousand bytecode instructions: more than anybody needs between two operations of a model, and as long as several
# operations take to be dispatched.
LONG_NS = 50_000

# Modules whose functions in C are part of how Python is written: len, isinstance, list.append, itertools.chain, ...
_PLAIN = (
    *(
        "builtins",
        "itertools",
        "functools",
        "_functools",
        "operator",
        "_operator",
        "collections",
        "_collections",
    ),
    *("_abc", "types"),
)


@dataclass(frozen=True)
class Where:
    """Some line of a code object from `first` to `last`: where they differ, no event says which. Loops may go back:
    last may be before first."""

    code: CodeType
    first: int
    last: int


@dataclass
class Times:
    """Nanoseconds by where they pass, over all steps, without what the events add. torch_lines: lines that torch was
    called from. within: of data, what passes in the user's frames below the one that asks."""

    own: dict[Where, float] = field(default_factory=lambda: defaultdict(float))
    data: dict[Where, float] = field(default_factory=lambda: defaultdict(float))
    loader: dict[Where, float] = field(default_factory=lambda: defaultdict(float))
    within: dict[Where, float] = field(default_factory=lambda: defaultdict(float))
    torch_lines: dict[CodeType, set[int]] = field(default_factory=lambda: defaultdict(set))


class _Entry:
    """A call that is under way. code: None of a function in C. torch: its time is torch's. works: in C, and not plain.
    named: the nearest entry of the user's, itself or outside of it, whose line names what passes here. asker: that of
    whoever asked for data, where this is part of it; loader: it was torch's loader that was asked."""

    __slots__ = ("asker", "code", "line", "loader", "named", "shared", "torch", "works")

    def __init__(self, code: CodeType | None, outer: _Entry | None) -> None:
        self.code, self.line, self.torch, self.works, self.shared = code, 0, True, False, False
        self.named: _Entry | None = outer.named if outer else None
        self.asker: _Entry | None = outer.asker if outer else None
        self.loader: bool = outer.loader if outer else False


def _python(code: CodeType, outer: _Entry) -> _Entry:
    entry = _Entry(code, outer)
    entry.line = code.co_firstlineno
    owner = owner_of(code.co_filename)
    entry.torch = owner is Owner.TORCH or (owner is Owner.SHARED and outer.torch)
    entry.works = outer.works and not entry.torch and owner is Owner.SHARED
    if (
        entry.asker is None
        and outer.named
        and (owner is Owner.TORCH or not entry.torch)
        and asks_for_data(code)
    ):
        entry.asker, entry.loader = outer.named, owner is Owner.TORCH
    # A library's line stands for nobody's, until there is a line of the user's.
    if owner is Owner.USER or (owner is Owner.LIBRARY and outer.named is None):
        entry.named = entry
    return entry


def _in_c(what: tuple[str, str], outer: _Entry) -> _Entry:
    module, name = what
    entry = _Entry(None, outer)
    entry.torch = outer.torch or is_torch(module)
    entry.works = not entry.torch and module.partition(".")[0] not in _PLAIN
    if entry.asker is None and not entry.torch and (module, name) == ("_queue", "get"):
        entry.asker = outer.named
    return entry


class _Stretch:
    """What passed since torch last did something: (where, nanoseconds, whether it works in C), a part an event.

    Time of bytecode is that in which the thread runs: whether a stretch is a long one is not for others to say."""

    def __init__(self, own: dict[Where, float], others: float) -> None:
        self._own, self._others, self._parts = own, others, list[tuple[Where, float, bool]]()

    def add(self, where: Where, ns: float, works: bool) -> None:
        self._parts.append((where, ns, works))

    def end(self) -> None:
        if not self._parts:
            return
        long = sum(ns for _, ns, _ in self._parts) >= LONG_NS
        for where, ns, works in self._parts:
            if long or works:
                self._own[where] += ns if works else ns * self._others
        self._parts.clear()


def times_of(events: Events, cost: Cost) -> Times:
    """Where the time between events passes. What an event adds passes in part before its time is read and in part
    after: every part between two events is too long by all of it."""
    times = Times()
    stretch = _Stretch(times.own, cost.others)
    bottom = _Entry(None, None)
    stack, before = [bottom], events.events[0][0] if events.events else 0
    for at, kind, what, line, off in events.events:
        top = stack[-1]
        line = line or top.line
        ns = at - before - cost.event_ns
        if not top.works and not top.torch and top.asker is None:
            ns -= off
        _pass(times, stretch, top, ns if top.code is None else ns / cost.bytecode, line)
        before = at
        if top.code is not None:
            top.line = line
        if kind is Kind.CALL or kind is Kind.ENTER:
            inner = _python(what, top) if kind is Kind.CALL else _in_c(what, top)
            if inner.torch and not top.torch and top.code is not None:
                times.torch_lines[top.code].add(line)
            stack.append(inner)
        elif len(stack) > 1:
            stack.pop()
    stretch.end()
    for found in (times.own, times.data, times.loader, times.within):
        for where in [where for where, ns in found.items() if ns <= 0]:
            del found[where]
    return times


@dataclass(frozen=True)
class Bytecode:
    """Time with a function in Python innermost. ns: all of it; off_ns: in which the thread did not run, since others
    had its core or the interpreter's lock. parts: between two events."""

    ns: int
    off_ns: int
    parts: int


def bytecode_of(events: Events) -> Bytecode:
    stack, before, total, total_off, parts = [Kind.CALL], events.events[0][0], 0, 0, 0
    for at, kind, _, _, off in events.events:
        if stack[-1] is Kind.CALL:
            total, total_off, parts = total + at - before, total_off + off, parts + 1
        before = at
        if kind is Kind.CALL or kind is Kind.ENTER:
            stack.append(kind)
        elif len(stack) > 1:
            stack.pop()
    return Bytecode(total, total_off, parts)


def _pass(times: Times, stretch: _Stretch, top: _Entry, ns: float, line: int) -> None:
    """Time passes in the innermost entry, from the line that it was last at to this one."""
    named = top.named
    if top.asker is not None:
        stretch.end()
        asker = top.asker
        if asker.code is not None:
            asked = Where(asker.code, asker.line, asker.line)
            (times.loader if top.loader else times.data)[asked] += ns
        if named is not None and named is not asker and named.code is not None:
            times.within[_where(named, top, line)] += ns
    elif top.torch or named is None:
        stretch.end()
    else:
        stretch.add(_where(named, top, line), ns, top.works)


def _where(named: _Entry, top: _Entry, line: int) -> Where:
    assert named.code is not None
    return Where(named.code, named.line, line if named is top else named.line)
