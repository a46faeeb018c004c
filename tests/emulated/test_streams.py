"""Streams, events and who waits for whom; the launch queue; a thread a device."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from held import PRELUDE, exactly, gemm_us, shown

STREAMS = (
    PRELUDE
    + """
found = {}
pinned = torch.empty(1_000_000, dtype=torch.uint8).pin_memory()
here = torch.empty(1_000_000, dtype=torch.uint8, device="cuda")
one, other = torch.cuda.Stream(), torch.cuda.Stream()

def work(stream, us, after=()):
    with torch.cuda.stream(stream):
        for each in after:
            stream.wait_event(each)
        sleep(us)
        done = event()
        done.record()
    return done

found["beside"] = behind_a_hold(lambda start: [work(one, 500, [start]), work(other, 700, [start])])

def chain(start):
    first = work(one, 300, [start])
    return [first, work(other, 200, [first])]

found["chain"] = behind_a_hold(chain)

handle = ctypes.c_void_p()
assert runtime.cudaStreamCreateWithFlags(ctypes.byref(handle), 0) == 0
blocking = torch.cuda.ExternalStream(handle.value)

def with_default(stream):
    def queue(start):
        sleep(300)
        of_stream = work(stream, 200)
        sleep(100)
        return [of_stream]
    return queue

# Of a stream that does not wait for the default one the work may end while that is held: it is ahead of `start`.
def beside_default(start):
    done = work(one, 1)
    sleep(100)
    done.synchronize()
    return []

found["blocking"] = behind_a_hold(with_default(blocking))
found["default_goes_on"] = behind_a_hold(beside_default)

def queries():
    done = event()
    began = time.monotonic()
    sleep(200_000)
    done.record()
    before = done.query(), torch.cuda.current_stream().query()
    done.synchronize()
    waited = time.monotonic() - began
    return [*before, done.query(), torch.cuda.current_stream().query()], waited

found["queries"], found["waited_s"] = in_time(queries, lambda result: not any(result[0][:2]))

waits = {}
for name, wait in {
    "stream": lambda: one.synchronize(),
    "device": lambda: torch.cuda.synchronize(),
    "copy": lambda: here[:1].cpu(),
}.items():
    began = time.monotonic()
    with torch.cuda.stream(one):
        sleep(20_000)
        wait()
    waits[name] = time.monotonic() - began
found["waits_s"] = waits

began = time.monotonic()
with torch.cuda.stream(blocking):
    sleep(20_000)
torch.cuda.default_stream().synchronize()
found["default_waited_s"] = time.monotonic() - began

pageable = torch.empty(1_000_000, dtype=torch.uint8)

def waits_for_the_stream(bytes_, source):
    held = event()
    sleep(HOLD_US)
    held.record()
    here[:bytes_].copy_(source[:bytes_], non_blocking=True)
    waited = held.query()
    torch.cuda.synchronize()
    return waited

found["copied"] = {
    name: in_time(lambda: waits_for_the_stream(bytes_, source), lambda waited: not waited)
    for name, bytes_, source in (
        ("pinned", 1_000_000, pinned), ("short", 65_536, pageable), ("long", 65_537, pageable)
    )
}

unrecorded, recorded = event(), event()
recorded.record()
try:
    unrecorded.elapsed_time(recorded)
    found["unrecorded"] = "no error"
except (RuntimeError, ValueError) as error:
    found["unrecorded"] = str(error)
print(json.dumps(found))
"""
)

QUEUE = (
    PRELUDE
    + """
HOLD_S = 0.5
x = torch.zeros(8, device="cuda")
other = torch.cuda.Stream()
with torch.cuda.stream(other):
    torch.zeros(8, device="cuda").add_(1)
torch.cuda.synchronize()
def fill():
    returned = []
    torch.cuda.synchronize()
    began = time.monotonic()
    sleep(HOLD_S * 1e6)
    for launch in range(1000):
        x.add_(1)
        returned.append(time.monotonic() - began)
    with torch.cuda.stream(other):
        sleep(1)
    other_returned = time.monotonic() - began
    for launch in range(60):
        x.add_(1)
        returned.append(time.monotonic() - began)
    return returned, other_returned

returned, other_returned = in_time(fill, lambda result: result[0][1022] < HOLD_S)
print(json.dumps({"hold_s": HOLD_S, "returned": returned, "other": other_returned}))
"""
)

THREADS = (
    PRELUDE
    + """
found = {}
failures = []
barrier = threading.Barrier(8)

def issue(index):
    try:
        torch.cuda.set_device(index)
        sleep(1)
        x = torch.zeros(1024, 1024, device="cuda")
        torch.mm(x, x)
        side = torch.cuda.Stream()
        torch.cuda.synchronize()
        barrier.wait()

        def queue(start):
            for _ in range(50):
                sleep(10 * (index + 1))
            side.wait_event(start)
            with torch.cuda.stream(side):
                torch.mm(x, x)
                beside = event()
                beside.record()
            return [beside]

        found[index] = behind_a_hold(queue)
        for _ in range(200):
            x.add_(1)
            if x[0, 0].item() != 0:
                raise ValueError("a value that nobody computed")
    except BaseException as error:
        failures.append(repr(error))
        barrier.abort()

threads = [threading.Thread(target=issue, args=(index,)) for index in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
assert not failures, failures
print(json.dumps(found))
"""
)


@pytest.fixture(scope="module")
def times(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return shown(STREAMS, tmp_path_factory.mktemp("streams"))


def test_streams_run_beside_each_other(times: Any) -> None:
    one, other, default = times["beside"]
    assert (one, other) == (exactly(500), exactly(700))
    assert default == exactly(0)


def test_a_stream_waits_for_an_event_of_another(times: Any) -> None:
    assert times["chain"][:2] == [exactly(300), exactly(500)]


def test_a_blocking_stream_and_the_default_one_wait_for_each_other(times: Any) -> None:
    assert times["blocking"] == [exactly(500), exactly(600)]


def test_a_stream_that_does_not_block_runs_while_the_default_one_is_held(times: Any) -> None:
    # It was waited for before the hold had ended: the start event had not come.
    assert times["default_goes_on"] == [exactly(100)]


def test_a_query_tells_whether_the_work_is_done(times: Any) -> None:
    assert times["queries"] == [False, False, True, True]


def test_synchronising_waits_for_the_device(times: Any) -> None:
    assert times["waited_s"] >= 0.2
    assert all(waited >= 0.02 for waited in times["waits_s"].values()), times["waits_s"]


def test_the_default_stream_is_done_when_blocking_ones_are(times: Any) -> None:
    assert times["default_waited_s"] >= 0.02


def test_only_long_copies_from_pageable_memory_wait_for_the_stream(times: Any) -> None:
    assert times["copied"] == {"pinned": False, "short": False, "long": True}


def test_an_event_that_was_not_recorded_has_no_time(times: Any) -> None:
    assert times["unrecorded"] != "no error"


def test_the_launch_queue_holds_about_a_thousand(tmp_path: Path) -> None:
    seen = shown(QUEUE, tmp_path)
    hold, returned = seen["hold_s"], seen["returned"]
    # The hold itself was the first of 1,024.
    assert returned[1022] < hold <= returned[1023]
    # A stream has a queue of its own.
    assert seen["other"] < hold


def test_threads_issue_to_a_device_each(tmp_path: Path) -> None:
    seen = shown(THREADS, tmp_path)
    assert len(seen) == 8
    for index, (beside, end) in seen.items():
        assert beside == exactly(gemm_us(2 * 1024**3, "float32"))
        assert end == exactly(50 * 10 * (int(index) + 1))
