"""Every cause of idle time, provoked one by one, and every nanosecond accounted for."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from made_traces import OTHER, Made

from harness.trace.answers.answer import answers
from harness.trace.answers.sentences import sentences
from harness.trace.host import DISPATCH, HOST_PARTS, INTERPRETER, OUTSIDE, RUNTIME
from harness.trace.idle import CAUSES, HOST_LATE, IN_FLIGHT, SYNCHRONISED, UNKNOWN, WAITING, Device
from harness.trace.looked import looked_at
from harness.trace.reading.reader import read_trace

US = 1000


def idle(made: Made, folder: Path) -> Device:
    """Of the one device."""
    (device,) = looked_at(read_trace(made.save(folder / "trace.json"))).whole
    assert device.span - device.busy.total == sum(device.idle(cause) for cause in CAUSES)
    of_gaps = {cause: device.of_gaps(cause) for cause in CAUSES}
    assert (sum(of_gaps.values()) == device.gaps.lengths).all()
    assert device.idle(HOST_LATE) == sum(device.host(part) for part in HOST_PARTS)
    return device


def causes(device: Device) -> dict[str, float]:
    return {cause: us / US for cause in CAUSES if (us := device.idle(cause))}


def first(made: Made) -> Made:
    """A kernel from 100 to 110."""
    made.kernel(100, 10, 90)
    return made


def test_a_host_that_is_late(tmp_path: Path) -> None:
    """Launched at 140, 30 us after the device had run dry; 5 us later it began."""
    made = first(Made())
    made.kernel(145, 10, 140)
    assert causes(idle(made, tmp_path)) == {HOST_LATE: 30, IN_FLIGHT: 5}


def test_what_the_host_did_meanwhile(tmp_path: Path) -> None:
    made = first(Made())
    made.operator("aten::add", 120, 30)
    made.call("cudaGetDevice", 125, 5)
    made.kernel(145, 10, 140)
    device = idle(made, tmp_path)
    assert {part: device.host(part) / US for part in HOST_PARTS} == {
        **{INTERPRETER: 10, DISPATCH: 15, RUNTIME: 5},
        "guards": 0,
    }


def test_a_launch_in_flight(tmp_path: Path) -> None:
    made = first(Made())
    made.kernel(120, 10, 105)
    assert causes(idle(made, tmp_path)) == {IN_FLIGHT: 10}


def test_another_stream_that_holds_it_back(tmp_path: Path) -> None:
    made = first(Made())
    made.kernel(90, 5, 60, stream=20)
    made.add("cuda_sync", "Stream Wait Event", 95, 1, (0, 20), stream=20, wait_on_stream=7, correlation=99)
    made.kernel(120, 10, 97, stream=20)
    assert causes(idle(made, tmp_path)) == {WAITING: 10, IN_FLIGHT: 5}


def test_another_stream_in_traces_that_do_not_say_which_was_told(tmp_path: Path) -> None:
    made = first(Made())
    made.call("cudaStreamWaitEvent", 95, 1)
    made.kernel(120, 10, 97, stream=20)
    assert causes(idle(made, tmp_path)) == {WAITING: 10}


@pytest.mark.parametrize("call", ["cudaStreamSynchronize", "cudaMemcpy", "hipMemcpyWithStream", "cudaMalloc"])
def test_a_host_that_was_blocked(tmp_path: Path, call: str) -> None:
    made = first(Made())
    made.call(call, 95, 30)
    made.kernel(145, 10, 140)
    assert causes(idle(made, tmp_path)) == {SYNCHRONISED: 15, HOST_LATE: 15, IN_FLIGHT: 5}


def test_another_threads_synchronisation_does_not_block_this_one(tmp_path: Path) -> None:
    made = first(Made())
    made.call("cudaStreamSynchronize", 95, 30, OTHER)
    made.kernel(145, 10, 140)
    assert causes(idle(made, tmp_path)) == {HOST_LATE: 30, IN_FLIGHT: 5}


def test_what_is_outside_of_steps_and_operators(tmp_path: Path) -> None:
    made = first(Made())
    made.step(1, 80, 35)
    made.step(2, 130, 40)
    made.operator("aten::to", 116, 4)
    made.kernel(145, 10, 140)
    assert causes(idle(made, tmp_path)) == {HOST_LATE: 5 + 4 + 10, OUTSIDE: 1 + 10, IN_FLIGHT: 5}


def test_a_data_loader(tmp_path: Path) -> None:
    made = first(Made())
    made.step(1, 80, 100)
    made.add("user_annotation", "enumerate(DataLoader)#_SingleProcessDataLoaderIter.__next__", 112, 20)
    made.kernel(145, 10, 140)
    assert causes(idle(made, tmp_path)) == {HOST_LATE: 10, OUTSIDE: 20, IN_FLIGHT: 5}


def test_a_launch_that_is_not_in_the_trace(tmp_path: Path) -> None:
    made = first(Made())
    made.kernel(145, 10, None)
    assert causes(idle(made, tmp_path)) == {UNKNOWN: 35}


def test_work_of_another_thread_is_no_interpreter(tmp_path: Path) -> None:
    """Backward: the thread that launches is idle while another one is within an operator."""
    made = first(Made())
    made.operator("autograd::engine", 115, 20, OTHER)
    made.kernel(145, 10, 140)
    assert idle(made, tmp_path).host(DISPATCH) == 20 * US


def test_streams_that_overlap_are_one_device(tmp_path: Path) -> None:
    made = first(Made())
    made.kernel(105, 40, 101, stream=20)
    made.kernel(145, 10, 140)
    device = idle(made, tmp_path)
    assert not len(device.gaps)
    assert device.busy.total == 55 * US


def test_a_launch_that_takes_too_long_to_be_one_is_said(tmp_path: Path) -> None:
    made = first(Made())
    made.kernel(3000, 10, 108)
    assert causes(idle(made, tmp_path)) == {IN_FLIGHT: 2890}
    ranks = [looked_at(read_trace(tmp_path / "trace.json"))]
    assert any("over a millisecond to begin" in text for text in sentences(answers(ranks)))


def test_a_window_cuts_gaps(tmp_path: Path) -> None:
    made = first(Made())
    made.kernel(145, 10, 140)
    device = idle(made, tmp_path).within(105 * US, 120 * US)
    assert (device.span, device.busy.total, device.idle(HOST_LATE)) == (15 * US, 5 * US, 10 * US)


def test_causes_add_up_whatever_happens(tmp_path: Path) -> None:
    draw = random.Random(3)
    for _ in range(20):
        made, now = Made(), 1000.0
        for number in range(60):
            now += draw.uniform(0, 40)
            launched = None if draw.random() < 0.1 else now - draw.uniform(-5, 60)
            made.kernel(
                now,
                draw.uniform(0.5, 30),
                launched,
                stream=draw.choice([7, 20]),
                thread=draw.choice([(10, 10), OTHER]),
            )
            if draw.random() < 0.3:
                made.call("cudaStreamSynchronize", now - draw.uniform(0, 50), draw.uniform(0, 60))
            if draw.random() < 0.5:
                made.operator("aten::mul", now - draw.uniform(0, 50), draw.uniform(0, 40))
            if number % 10 == 0:
                made.step(number, now, draw.uniform(10, 200))
        idle(made, tmp_path)
