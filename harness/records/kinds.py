"""What a raw record is: a type a kind of line, with the ranges beyond which no number of ours lies.

In: lines of JSON. Out: records. Must not know files, nor what becomes of the numbers.

A line is read into these types or not at all, so that whoever works with a record may rely on each of its fields. Those
without a default are what a record must have; what else stands in a line is left alone, since a later version may write
more. Times end in their unit; *_ns are of the system's monotonic clock.
"""

from __future__ import annotations

import re
from math import nan
from typing import Annotated, Any, Union

import msgspec
from msgspec import Meta, Struct

from harness.core import axes, schema
from harness.core.numbers import LARGEST
from harness.records.lines import FOREIGN, NoRecord

# More steps than a block of a day has, and more rounds, ranks or launches than anybody waits for: sums and products of
# them are numbers too.
MOST_STEPS, MOST = 2**40, 2**31
# 36 years in ns: from one clock to another, and over the longest stretch, times stay within 64 bits.
LONGEST_NS = 2**60
# That of a model of ten thousand hidden layers, each of which it names.
LONGEST_NAME = 2**16

Count = Annotated[int, Meta(ge=1, lt=LARGEST)]
Few = Annotated[int, Meta(ge=1, lt=MOST)]
Index = Annotated[int, Meta(ge=0, lt=MOST)]
Steps = Annotated[int, Meta(ge=1, lt=MOST_STEPS)]
Moment = Annotated[int, Meta(ge=0, lt=LONGEST_NS)]
# Of any sign: between the clocks of two nodes.
Difference = Annotated[int, Meta(gt=-LONGEST_NS, lt=LONGEST_NS)]
Part = Annotated[float, Meta(ge=0, le=1)]
# A time, a share, a size: never below 0, and finite since JSON has no other numbers.
Amount = Annotated[float, Meta(ge=0, lt=LARGEST)]
Core = Annotated[int, Meta(ge=0, lt=2**16)]
# Of a rank: the cores of each thread that issues, a thread for each of its devices.
Threads = Annotated[list[Annotated[list[Core], Meta(max_length=2**16)]], Meta(max_length=1024)]
Name = Annotated[str, Meta(max_length=LONGEST_NAME)]


class Record(Struct, tag_field="type", gc=False):
    """One line of a raw file."""


class Start(Record, tag="start"):
    """Of launcher.jsonl: one start of a sweep. spreads, drift: of harness.core.stats.spread, in plain form. revision:
    digest of the harness that was started (harness.core.files.revision); source: the commit it lies in."""

    device_kind: Name
    device_name: Name
    cores: Few
    time_utc: str = ""
    revision: Name = ""
    source: Name = ""
    spreads: dict[str, Any] | None = None
    drift: dict[str, Any] | None = None


class Axes(Struct, gc=False):
    """A point's place; depth and width of an MLP alone. What earlier versions did not have yet was so in all that they
    measured."""

    model: Name
    depth: Count | None
    width: Count | None
    batch: Count
    devices: Few
    controller: Name
    workload: Name
    dtype: Name
    mode: Name
    autograd: Name = axes.DEFAULTS[axes.AUTOGRAD]
    environment: Name = axes.DEFAULTS[axes.ENVIRONMENT]
    nodes: Few = 1
    scaling: Name = "weak"
    model_args: Name = ""

    def named(self) -> dict[str, Any]:
        """Name (of axes.RECORDED) -> value."""
        return {name: getattr(self, name) for name in axes.RECORDED}


class Point(Record, tag="point"):
    """Of launcher.jsonl: a planned point. holds_lock: None in records of earlier versions, which knew torch alone.
    style: of its mode, as far as it says. place: in the plan."""

    key: Name
    cell: Name
    axes: Axes
    needs_python: bool
    holds_lock: bool | None = None
    framework: Name = schema.TORCH
    style: Name | None = None
    place: Index = 0


class GivenUp(Record):
    """Why a point has no times."""

    key: Name
    status: Name
    error: str

    def __post_init__(self) -> None:
        if self.status not in schema.STATUSES or self.status == schema.OK:
            raise ValueError("a status that is none")


class Outcome(GivenUp, tag="outcome"):
    """Of launcher.jsonl: what the launcher says of a point."""

    session: Name = ""


class Dropped(GivenUp, tag="dropped"):
    """What a rank says of a point."""

    cell: Name
    at_ns: Moment


class Identity(Struct, gc=False):
    """How a device is called, as far as it is."""

    uuid: Name | None = None
    pci: Name | None = None


class Session(Record, tag="session"):
    """The first line of a rank's file. clock_offset_ns: to rank 0's clock. issuing_cores: of each thread that issues.
    rel_width: half width of a speed-up's interval that was asked for, rel_width_step of a step time's."""

    session: Name
    rank: Index
    ranks: Few
    device_kind: Name
    device_name: Name
    host: Name = ""
    node: Name = ""
    pid: Index | None = None
    clock_offset_ns: Difference = 0
    threads: Few | None = None
    cores: Few | None = None
    gil: bool | None = None
    torch: Name = ""
    issuing_cores: Threads | None = None
    devices: Annotated[list[Identity], Meta(max_length=1024)] = []
    rel_width: Amount | None = None
    rel_width_step: Amount | None = None
    reference_ns: Amount | None = None

    def __post_init__(self) -> None:
        if self.rank >= self.ranks:
            raise ValueError("a rank beyond their number")


class Environment(Record, tag="environment"):
    """A driver is ready. facts: what it says of its Python, its framework and how they were built and set up."""

    environment: Name
    facts: dict[Name, Name]


class CellBegun(Record, tag="cell"):
    """A rank begins to prepare a cell. keys: mode -> key."""

    cell: Name
    keys: dict[Name, Name]


class Prepared(Record, tag="prepared"):
    """A mode that was made ready. replay_ns, held_ns: device time of a step, by replay of its graph and held back.
    process_peak_mib: of all that the process held, which earlier versions called memory_peak_mib. tensor_peak_mib: of
    tensors within a step."""

    cell: Name
    key: Name
    prepare_s: Amount
    first_call_s: Amount
    launches: Index | None = None
    replay_ns: Amount | None = None
    held_ns: Amount | None = None
    process_peak_mib: Amount | None = None
    memory_peak_mib: Amount | None = None
    tensor_peak_mib: Amount | None = None

    def __post_init__(self) -> None:
        if self.process_peak_mib is None:
            self.process_peak_mib = self.memory_peak_mib


class Serialisation(Record, tag="serialisation"):
    """A mode was saved with its weights and loaded again, in `format` and so many bytes; or was not: error says why."""

    cell: Name
    key: Name
    format: Name = ""
    bytes: Amount | None = None
    save_s: Amount | None = None
    load_s: Amount | None = None
    error: Name = ""


class Block(Struct, gc=False):
    """Of a round: the steps of one point that were timed as one. NaN: a number that is not known."""

    key: Name
    steps: Steps
    start_ns: Moment
    end_ns: Moment
    cpu_ns: Amount | None = nan
    main_ns: Amount | None = nan
    waits: Amount | None = nan
    preemptions: Amount | None = nan
    fastest_ns: Amount | None = nan
    issue_ns: Amount | None = nan
    device_ns: Amount | None = nan
    growth: Amount | None = nan


# Numbers that a block may lack.
MAYBE = tuple(name for name in Block.__struct_fields__ if name not in ("key", "steps", "start_ns", "end_ns"))


class Round(Record, tag="round"):
    """A block of every mode of a cell."""

    cell: Name
    round: Index
    blocks: list[Block]
    build: Index = 0

    def __post_init__(self) -> None:
        keys = set()
        for block in self.blocks:
            if block.end_ns <= block.start_ns:
                raise ValueError("a block that ends before it begins")
            keys.add(block.key)
        if len(keys) < len(self.blocks):
            raise ValueError("two blocks of one point in a round")


class Window(Record, tag="window"):
    """For so long a rank held a point in a steady state, with so many steps on each of its devices."""

    cell: Name
    key: Name
    start_ns: Moment
    end_ns: Moment
    steps: Steps

    def __post_init__(self) -> None:
        if self.end_ns <= self.start_ns:
            raise ValueError("a window that ends before it begins")


class End(Record, tag="end"):
    """A cell is measured. keys: of the points that were measured to the end. share: how much of what the session was to
    measure of it; of several such lines the last counts. turns: in how many its environments were measured, where there
    was no memory for all of them at once. Earlier versions did not say."""

    cell: Name
    stop: Name
    keys: list[Name]
    share: Part = 1.0
    turns: Few = 1


class Closing(Record, tag="closing"):
    """The last line of a rank's file. busy_s: of the session's wall_s, in which it measured. reference_ns: of the
    reference work all through the session; what the first line has of it was timed at its start."""

    wall_s: Amount
    busy_s: Amount
    startup_s: Amount | None = None
    issuing_cores: Threads | None = None
    reference_ns: Amount | None = None


OF_LAUNCHER = (Start, Point, Outcome)
OF_RANKS = (
    *(Session, Environment, CellBegun, Prepared, Dropped, Round, Window, End, Serialisation),
    Closing,
)
KINDS: dict[str, type[Record]] = {str(kind.__struct_config__.tag): kind for kind in (*OF_LAUNCHER, *OF_RANKS)}

AnyRecord = Union[  # noqa: UP007 (msgspec takes no other form where names are text)
    Start,
    Point,
    Outcome,
    Session,
    Environment,
    CellBegun,
    Prepared,
    Dropped,
    Round,
    Window,
    End,
    Serialisation,
    Closing,
]
_DECODER = msgspec.json.Decoder(AnyRecord)
_TYPE = re.compile(rb'"type"\s*:\s*"(\w+)"')


def decoded(line: bytes) -> AnyRecord:
    """The record of a line, as harness.records.lines.read_lines wants it."""
    try:
        record: AnyRecord = _DECODER.decode(line)
    except msgspec.ValidationError as error:
        raise NoRecord(_defect(line, str(error))) from None
    return record


def _defect(line: bytes, why: str) -> str:
    """Why a line of a known type cannot be a record: `round`: blocks[...].steps: expected `int` >= 1."""
    found = _TYPE.search(line)
    kind = found[1].decode() if found else ""
    what, _, where = why.partition(" - at `$")
    if kind not in KINDS or where.startswith(".type") or (what.startswith("Expected `object`") and not where):
        return FOREIGN
    where = re.sub(r"\[\d+\]", "[...]", where.rstrip("`").lstrip("."))
    return (
        f"`{kind}` records with {where}: {what[0].lower()}{what[1:]}"
        if where
        else f"`{kind}` records: {what}"
    )


def required(kind: type[Record]) -> tuple[str, ...]:
    """The fields that a record of that type must have."""
    return tuple(field.name for field in msgspec.structs.fields(kind) if field.required)
