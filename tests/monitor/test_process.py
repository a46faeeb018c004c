"""The sampler as a process: it comes up, ends when told, ends with its parent, and never fails a sweep."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
from running import python_path, wait_until

from harness.monitor import process, start
from harness.plan.config import MonitorConfig

PARENT = """
import sys, time
from pathlib import Path
from harness.plan.config import MonitorConfig
from harness.monitor import start
sampler = start(Path(sys.argv[1]), MonitorConfig())
print(sampler.pid, flush=True)
time.sleep(600)
"""


def lines(out: Path) -> list[dict[str, Any]]:
    """Its lines so far; a last one without its end is being written."""
    return [
        json.loads(line)
        for line in out.read_text(encoding="utf-8").splitlines(keepends=True)
        if line.endswith("\n")
    ]


def kinds(out: Path) -> list[str]:
    return [line["type"] for line in lines(out)]


def is_gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_it_samples_between_start_and_stop_and_says_what_it_cost(tmp_path: Path) -> None:
    with start(tmp_path, MonitorConfig()) as sampler:
        pid = sampler.pid
        assert pid is not None and sampler.why is None
        wait_until(lambda: kinds(sampler.out).count("sample") > 5, "some samples")
    assert is_gone(pid)
    assert sampler.pid is None
    written = lines(tmp_path / "monitor" / "node-0.jsonl")
    assert (written[0]["type"], written[-1]["type"]) == ("node", "end")
    assert written[0]["pid"] == pid
    assert written[-1]["samples"] == kinds(sampler.out).count("sample")


def test_its_clock_is_that_of_the_blocks(tmp_path: Path) -> None:
    before = time.monotonic_ns()
    with start(tmp_path, MonitorConfig(), node=3) as sampler:
        wait_until(lambda: "sample" in kinds(sampler.out), "a sample")
    stamps = [line["t_ns"] for line in lines(tmp_path / "monitor" / "node-3.jsonl")]
    assert before < min(stamps) <= max(stamps) < time.monotonic_ns()


def test_it_imports_no_torch(tmp_path: Path) -> None:
    with start(tmp_path, MonitorConfig()) as sampler:
        assert sampler.pid is not None
        assert "torch" not in Path(f"/proc/{sampler.pid}/maps").read_text(encoding="utf-8")


def test_it_sees_this_process_as_the_sweep_and_a_child_with_a_rank_as_a_rank(tmp_path: Path) -> None:
    code = "import time; time.sleep(600)"
    rank = subprocess.Popen([sys.executable, "-c", code], env={**os.environ, "RANK": "5"})
    try:
        with start(tmp_path, MonitorConfig()) as sampler:

            def seen() -> list[Any]:
                said = (
                    line["host"].get("ranks", {}) for line in lines(sampler.out) if line["type"] == "sample"
                )
                return [ranks[str(rank.pid)]["rank"] for ranks in said if str(rank.pid) in ranks]

            wait_until(seen, "the rank in a sample")
            assert set(seen()) == {5}
    finally:
        rank.kill()
        rank.wait()


def test_it_ends_with_its_parent_also_when_that_is_killed(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": python_path()}
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(tmp_path)], env=environment, stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    assert not is_gone(pid)
    parent.kill()
    parent.wait()
    parent.stdout.close()
    wait_until(lambda: is_gone(pid), "the sampler's end")


def test_sigterm_ends_it_in_good_order_and_ctrl_c_leaves_it_to_the_sweep(tmp_path: Path) -> None:
    with start(tmp_path, MonitorConfig()) as sampler:
        assert sampler.pid is not None
        os.kill(sampler.pid, signal.SIGINT)
        wait_until(lambda: kinds(sampler.out).count("sample") > 3, "samples after Ctrl-C")
        os.kill(sampler.pid, signal.SIGTERM)
        wait_until(lambda: sampler.pid is None, "its end")
        assert kinds(sampler.out)[-1] == "end"


def test_one_that_hangs_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "END_TIMEOUT_S", 0.3)
    sampler = start(tmp_path, MonitorConfig())
    pid = sampler.pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)  # neither of the gentler ways reaches it
    sampler.stop()
    assert is_gone(pid)
    sampler.stop()  # a second time does nothing


def test_a_second_run_of_it_goes_on_in_the_same_file(tmp_path: Path) -> None:
    for _ in range(2):
        with start(tmp_path, MonitorConfig()) as sampler:
            wait_until(lambda: kinds(sampler.out)[-1] == "sample", "a sample")
    assert kinds(tmp_path / "monitor" / "node-0.jsonl").count("node") == 2


def test_switched_off_it_starts_nothing_and_says_so(tmp_path: Path) -> None:
    sampler = start(tmp_path, MonitorConfig(sampler=False))
    assert sampler.pid is None
    assert sampler.why is not None and "monitor.sampler" in sampler.why
    sampler.stop()
    assert not (tmp_path / "monitor").exists()


def test_a_sampler_that_cannot_write_says_why_and_raises_nothing(tmp_path: Path) -> None:
    (tmp_path / "monitor").write_text("a file where a folder should be")
    sampler = start(tmp_path, MonitorConfig())
    assert sampler.pid is None
    assert sampler.why is not None and "cannot be started" in sampler.why


def test_a_sampler_that_gives_up_says_its_last_words(tmp_path: Path) -> None:
    sampler = start(tmp_path, MonitorConfig(), {"PYTHONHOME": str(tmp_path)})
    assert sampler.pid is None
    assert sampler.why is not None and "ended with status" in sampler.why


def test_a_spec_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    spec = '{"out": "x", "colour": "blue"}'
    done = subprocess.run(
        [sys.executable, "-m", "harness.monitor", spec],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": python_path()},
    )
    assert done.returncode == 2
    assert spec in done.stderr
