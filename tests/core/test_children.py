"""Commands that are asked end with whoever asked, and with the work for which they were asked."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
from running import heeding_signals, python_path, wait_until

from ground.children import Children, ask

SLEEPS = "import os, sys, time; open(sys.argv[1], 'w').close(); time.sleep(600)"


def sleeper(mark: Path) -> list[str]:
    return [sys.executable, "-c", SLEEPS, str(mark)]


def left(mark: Path) -> list[psutil.Process]:
    return [each for each in psutil.process_iter(["cmdline"]) if str(mark) in (each.info["cmdline"] or [])]


def test_what_a_command_says_is_answered_whatever_bytes_it_is() -> None:
    code = "import sys; sys.stdout.buffer.write(b'caf\\xe9'); print('no', file=sys.stderr); sys.exit(3)"
    done = ask([sys.executable, "-c", code])
    assert (done.returncode, done.stdout, done.stderr) == (3, "caf\ufffd", "no\n")


def test_one_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    mark = tmp_path / "begun"
    with pytest.raises(subprocess.TimeoutExpired):
        ask(sleeper(mark), timeout_s=0.5)
    assert not left(mark)


def test_work_that_is_broken_off_leaves_none_that_its_threads_asked(tmp_path: Path) -> None:
    marks = [tmp_path / str(number) for number in range(4)]
    with pytest.raises(KeyboardInterrupt), ThreadPoolExecutor(2) as pool, Children() as children:
        asked = [pool.submit(children.ask, sleeper(mark)) for mark in marks]
        wait_until(lambda: sum(mark.exists() for mark in marks) == 2, "two that sleep")
        raise KeyboardInterrupt
    assert not [each for mark in marks for each in left(mark)]
    assert sum(mark.exists() for mark in marks) == 2, "others were begun when all was over"
    assert all(each.done() for each in asked)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_whoever_asked_takes_it_along(tmp_path: Path, number: signal.Signals) -> None:
    mark = tmp_path / "begun"
    code = f"from ground.children import ask; ask({sleeper(mark)!r})"
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": python_path()},
        stderr=subprocess.DEVNULL,
        preexec_fn=heeding_signals,
    )
    wait_until(mark.exists, "the command")
    process.send_signal(number)
    process.wait(timeout=10)
    wait_until(
        lambda: not [each for each in left(mark) if each.status() != psutil.STATUS_ZOMBIE], "its end", 5
    )
