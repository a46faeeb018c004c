"""Traces in all dialects, whole, cut off, and no traces at all."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from made_traces import Made

from harness.trace.reading.event import EVENTS
from harness.trace.reading.json_stream import NoTrace, TraceFile
from harness.trace.reading.reader import read_trace


def made() -> Made:
    found = Made(rank=3, ranks=8)
    for number in range(200):
        found.operator("aten::add" + "x" * 50, 100 * number, 20)
        found.kernel(100 * number + 30, 10, 100 * number + 5)
    return found


@pytest.mark.parametrize("name", ["trace.json", "trace.json.gz"])
def test_plain_and_packed(tmp_path: Path, name: str) -> None:
    trace = read_trace(made().save(tmp_path / name))
    assert (trace.rank, trace.ranks, trace.cut) == (3, 8, "")
    assert (len(trace.work), len(trace.calls), len(trace.operators)) == (200, 200, 200)


def test_a_list_of_events_alone(tmp_path: Path) -> None:
    (tmp_path / "trace.json").write_text(json.dumps(made().events))
    trace = read_trace(tmp_path / "trace.json")
    assert (trace.rank, len(trace.work)) == (None, 200)


@pytest.mark.parametrize("share", [0.3, 0.5, 0.9, 0.98])
@pytest.mark.parametrize("packed", [False, True])
def test_of_one_that_is_cut_off_what_is_whole_is_read(tmp_path: Path, share: float, packed: bool) -> None:
    text = made().text().encode()
    whole = gzip.compress(text) if packed else text
    path = tmp_path / "trace.json"
    path.write_bytes(whole[: int(len(whole) * share)])
    trace = read_trace(path)
    assert trace.cut
    assert 0 < len(trace.operators) <= 200
    assert packed or abs(len(trace.operators) - 200 * share) < 10


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"hello",
        b"{}",
        b"[]",
        b'{"a": 1}',
        b'{"traceEvents": 7}',
        b'{"traceEvents": []}',
        b"\x1f\x8bnothing",
        b"\x00" * 99,
    ],
    ids=str,
)
def test_what_is_no_trace_is_said_to_be_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.json").write_bytes(content)
    with pytest.raises(NoTrace, match=r"no trace of torch\.profiler"):
        read_trace(tmp_path / "x.json")


@pytest.mark.parametrize(
    "event",
    [
        {"ts": "x"},
        {"ts": None},
        {"ts": 1e300},
        {"dur": -5},
        {"dur": float("nan")},
        {"args": None},
        {"args": {"device": "0x0", "stream": [1]}},
        {"tid": {"a": 1}},
        {"name": None},
        {"cat": 3},
        {"args": {"correlation": 10**40}},
    ],
    ids=str,
)
def test_an_odd_event_spoils_no_other(tmp_path: Path, event: dict) -> None:
    found = made()
    found.events.insert(0, {**found.events[1], **event})
    path = tmp_path / "trace.json"
    path.write_text(found.text())
    assert len(read_trace(path).work) >= 200


def test_older_spellings(tmp_path: Path) -> None:
    """torch 1.8: no distributedInfo, other categories, the call's number as External id."""
    spelled = {"kernel": "Kernel", "cuda_runtime": "Runtime", "cpu_op": "Operator"}
    events = []
    for event in made().events:
        arguments = dict(event["args"])
        if "correlation" in arguments:
            arguments["external id"] = arguments.pop("correlation")
        events.append({**event, "cat": spelled[event["cat"]], "args": arguments})
    (tmp_path / "trace.json").write_text(json.dumps({"traceEvents": events}))
    trace = read_trace(tmp_path / "trace.json")
    assert (trace.rank, len(trace.work), len(trace.calls)) == (None, 200, 200)
    assert set(trace.work["correlation"]) == set(trace.calls["correlation"])


def test_memory_is_that_of_a_piece_of_it(tmp_path: Path) -> None:
    """Whatever stands behind the events, and however large they are together."""
    file = TraceFile(made().save(tmp_path / "trace.json"), EVENTS)
    assert sum(len(events) for events in file.events()) == 600
    assert file.about["traceName"] == "x"


@pytest.mark.parametrize(
    "event",
    ["a word", 7, None, [{"ph": "X"}, {"ph": "X"}], {"args": "none"}, {"args": [1]}, {"name": 'a "}, {" b'}],
    ids=str,
)
def test_what_no_batch_of_events_can_hold_is_read_one_by_one(tmp_path: Path, event: object) -> None:
    """Of a file that is longer than what is read at once, with something odd in the middle of it."""
    found = Made()
    for number in range(12_000):
        found.operator("aten::add", 10 * number, 5)
    odd = {**found.events[0], **event} if isinstance(event, dict) else event
    found.events.insert(6_000, odd)  # type: ignore[arg-type]
    trace = read_trace(found.save(tmp_path / "trace.json"))
    assert trace.cut == ""
    assert len(trace.operators) == 12_000 + isinstance(event, dict)


def test_control_characters_in_names_are_read(tmp_path: Path) -> None:
    path = tmp_path / "trace.json"
    path.write_text(made().text().replace("aten::add", "aten::\x01add"))
    trace = read_trace(path)
    assert trace.cut == "" and len(trace.operators) == 200


def test_lists_of_objects_behind_the_events(tmp_path: Path) -> None:
    text = made().text().replace('"traceName": "x"', f'"after": {json.dumps([{"a": 1}] * 50)}')
    (tmp_path / "trace.json").write_text(text)
    trace = read_trace(tmp_path / "trace.json")
    assert trace.cut == "" and (len(trace.work), len(trace.operators)) == (200, 200)


def test_times_since_1970_are_read_as_exactly_as_they_are_written(tmp_path: Path) -> None:
    """As torch wrote them until 2.3, in us. In ns a double holds every 256th alone."""
    since = 1_657_000_000_000_000
    found = Made()
    for quarter in range(4):
        found.operator("aten::add", since + quarter / 4, 7 + quarter / 4)
    trace = read_trace(found.save(tmp_path / "trace.json"))
    assert (trace.operators["start"] - since * 1000).tolist() == [0, 250, 500, 750]
    assert (trace.operators["end"] - trace.operators["start"]).tolist() == [7000, 7250, 7500, 7750]
