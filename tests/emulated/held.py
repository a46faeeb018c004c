"""Programs whose works are queued behind a held stream, so that their times are the device's alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from node import ROUND, run, variables

# What such a program begins with. At the profile's clock of 1 GHz a thousand cycles are a microsecond.
# Works are queued behind a held stream, so that their times are the device's alone; where the host was kept from
# running for so long that the hold ended first, that is seen by the start event and tried again.
PRELUDE = """
import ctypes, json, statistics, threading, time
import torch

HOLD_US = 100_000
runtime = ctypes.CDLL(None)

def sleep(us):
    torch.cuda._sleep(int(us * 1000))

def event():
    return torch.cuda.Event(enable_timing=True)

def in_time(attempt, was_in_time):
    # What it says at the first try in which the host was not kept from running; else at the last of a few.
    for _ in range(5):
        result = attempt()
        if was_in_time(result):
            break
    return result

def behind_a_hold(queue):
    for _ in range(20):
        start, end = event(), event()
        sleep(HOLD_US)
        start.record()
        others = queue(start) or []
        end.record()
        in_time = not start.query()
        torch.cuda.synchronize()
        if in_time:
            return [start.elapsed_time(each) * 1000 for each in (*others, end)]
    raise AssertionError("the host is too slow to queue anything in time")

def on_device_us(queue):
    def alone(start):
        queue()
    return behind_a_hold(alone)[-1]

sleep(1)
torch.cuda.synchronize()
"""


def shown(code: str, folder: Path, **more: str) -> Any:
    """What a program prints, as JSON."""
    return json.loads(run(code, variables(folder, **more)))


def exactly(us: float) -> Any:
    """A modelled time: the timeline counts in whole nanoseconds, events tell milliseconds as 32-bit floats."""
    return pytest.approx(us, rel=1e-6, abs=0.002)


def gemm_us(flop: float, arithmetic: str) -> float:
    """Of a matrix product that fills all SMs, at the profile's rate of a number format."""
    return ROUND.products[arithmetic].floor_us + flop / ROUND.flop_s[arithmetic] * 1e6
