"""One node of a session: the real program, with a small one in place of torchrun."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
from running import python_path

from harness.cluster.node import interface_of, node_variables, save_nodes_file
from harness.cluster.srun import srun_variables
from harness.plan.config import MonitorConfig

VARIABLES = srun_variables(["n1", "n2"], ["127.0.0.1", "127.0.0.1"], [3, 2])

PRELUDE = """
import os, sys, time
from harness.session.progress import Sender
sender = Sender()
"""


def start(folder: Path, code: str) -> subprocess.Popen[bytes]:
    save_nodes_file(folder, folder, MonitorConfig(sampler=False), {"n1": 0, "n2": 1})
    slurm = {"SLURMD_NODENAME": "n2", "SLURM_JOB_ID": "41", "SLURM_STEP_ID": "7"}
    return subprocess.Popen(
        [
            sys.executable,
            "-m",
            "harness.cluster.node",
            str(folder),
            sys.executable,
            "-c",
            PRELUDE + code,
            "%RANKS",
        ],
        env={**os.environ, **VARIABLES, **slurm, "PYTHONPATH": python_path(), "TMPDIR": str(folder)},
        stdout=subprocess.PIPE,
        bufsize=0,  # else lines behind the first one are lost to communicate()
    )


def said(output: bytes) -> list[dict[str, Any]]:
    found = [json.loads(line) for line in output.splitlines()]
    assert {each.pop("node") for each in found} == {"n2"}
    return found


def test_messages_output_and_ending_come_as_json_with_the_nodes_name(tmp_path: Path) -> None:
    code = "sender.send('ready', rank=3)\ntime.sleep(0.5)\nprint('ranks here:', sys.argv[1])"
    process = start(tmp_path, code)
    output, _ = process.communicate(timeout=60)
    assert said(output) == [
        {"event": {"event": "ready", "rank": 3, "step": "41.7"}},
        {"line": "ranks here: 2"},
        {"ended": {"how": "finished", "reason": "", "killed": False}},
    ]
    assert process.returncode == 0
    assert not list(tmp_path.glob("harness-*")), "its own folder is removed"


def test_a_failure_says_why_and_is_a_bad_exit(tmp_path: Path) -> None:
    process = start(tmp_path, "raise ValueError('no such thing')")
    output, _ = process.communicate(timeout=60)
    ending = said(output)[-1]["ended"]
    assert ending["how"] == "died"
    assert "ValueError: no such thing" in ending["reason"]
    assert process.returncode == 1


def test_a_node_that_only_misses_another_one_lets_that_one_say_why(tmp_path: Path) -> None:
    """srun ended the node of the lost rank before it had said so, and the survivor's words were the row's reason."""
    process = start(tmp_path, "raise RuntimeError('Connection closed by peer [10.0.0.1]:4000')")
    assert process.stdout is not None
    while b'"ended"' not in process.stdout.readline():
        pass
    assert process.poll() is None
    assert process.wait(timeout=60) == 1


def test_when_slurm_ends_it_nothing_is_left_and_it_says_so(tmp_path: Path) -> None:
    process = start(tmp_path, "sender.send('cell', pid=os.getpid())\ntime.sleep(600)")
    assert process.stdout is not None
    first = said(process.stdout.readline())
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=60)
    assert said(output)[-1] == {"ended": {"how": "told to end"}}
    pid = first[0]["event"]["pid"]
    assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_a_question_where_ranks_hang_ends_neither_it_nor_torchrun(tmp_path: Path) -> None:
    asked = tmp_path / "asked"
    wait = f"while not os.path.exists({str(asked)!r}): time.sleep(0.02)"
    process = start(tmp_path, f"sender.send('cell', pid=os.getpid())\n{wait}")
    assert process.stdout is not None
    pid = said(process.stdout.readline())[0]["event"]["pid"]
    process.send_signal(signal.SIGUSR1)
    os.kill(pid, signal.SIGUSR1)
    asked.touch()
    output, _ = process.communicate(timeout=60)
    assert said(output)[-1]["ended"]["how"] == "finished"


HERE = {**VARIABLES, "SLURMD_NODENAME": "n2"}


class TestVariables:
    def test_gloo_takes_the_interface_that_has_the_nodes_address(self) -> None:
        assert node_variables(HERE)["GLOO_SOCKET_IFNAME"] == interface_of("127.0.0.1")

    def test_unless_the_site_names_one(self, tmp_path: Path) -> None:
        named = {**HERE, "GLOO_SOCKET_IFNAME": "ib0"}
        assert "GLOO_SOCKET_IFNAME" not in node_variables(named)

    def test_each_part_of_an_emulated_machine_has_devices_of_its_own(self, tmp_path: Path) -> None:
        cut = {**HERE, "HARNESS_NODE_SLICE": "8"}
        assert node_variables(cut)["CUDA_VISIBLE_DEVICES"] == "8,9,10,11,12,13,14,15"
        assert "CUDA_VISIBLE_DEVICES" not in node_variables(HERE)

    def test_an_address_that_nobody_here_has_is_no_interface(self) -> None:
        assert interface_of("192.0.2.1") is None
