"""Environments on a CUDA device, by drivers: on an emulated one, which computes nothing, so that all outputs agree."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from node import profile, variables

from benchmarks.on_disk import lines_of

TESTS = Path(__file__).resolve().parents[1]
PROGRAM = Path(__file__).with_name("driven_on_cuda.py")
# What is left out takes tens of seconds to compile, and has nothing of its own on CUDA.
MODES = ("eager", "symbolic", "script", "trace", "frozen")


@pytest.mark.long
@pytest.mark.parametrize("workload", ["forward", "train"])
def test_a_round_visits_every_environment_on_cuda(tmp_path: Path, workload: str) -> None:
    (tmp_path / "raw").mkdir()
    on_node = variables(tmp_path, profile(memory_mib=32000))
    done = subprocess.run(
        [sys.executable, str(PROGRAM), str(tmp_path), workload, ",".join(MODES)],
        env={
            **on_node,
            "PYTHONPATH": os.pathsep.join([on_node["PYTHONPATH"], *map(str, (TESTS, TESTS / "worker"))]),
        },
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    records = lines_of(tmp_path)["s-rank0.jsonl"]
    # A training step of constants there is none, on any device.
    lost = {"frozen", "frozen in copy"} if workload == "train" else set()
    dropped = [record for record in records if record["type"] == "dropped"]
    assert {record["status"] for record in dropped} <= {"unsupported"} and len(dropped) == len(lost)
    rounds = [record for record in records if record["type"] == "round"]
    assert rounds and {len(each["blocks"]) for each in rounds} == {2 * len(MODES) - len(lost)}
    # A block ends when the device is done: no step is shorter than its kernels are modelled to take, 2 us each, of
    # which a model of two layers has at least as many.
    steps_us = [
        (block["end_ns"] - block["start_ns"]) / block["steps"] / 1e3
        for each in rounds
        for block in each["blocks"]
    ]
    assert min(steps_us) > 2 * 2
