"""No message is trusted: the kernel says who sent it, only the session's own are heard, and only they are ended."""

from __future__ import annotations

import io
import json
import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
from hostile import as_other_user
from rich.console import Console
from running import python_path

from harness.cluster.srun_reach import SrunReach
from harness.launch.run import run_session
from harness.plan.config import Config
from harness.session.messages import Visit, rank_of
from harness.sweep.display import Display

VISIT = {
    "event": "visit",
    "cell": "c",
    "label": "depth 2",
    "points": 2,
    "share": 1.0,
    "step_us": {"eager": 3.5},
}


def session(code: str, on_event: Any, seconds: float = 2.0) -> Any:
    """A session whose one process runs code, and then sleeps until it has made no progress for so long."""
    prelude = (
        "import os, subprocess, sys, time\nfrom harness.session.progress import Sender\nsender = Sender()\n"
    )
    return run_session(
        [sys.executable, "-c", prelude + code + "\ntime.sleep(600)"],
        {"PYTHONPATH": python_path()},
        io.StringIO(),
        timeout_s=seconds,
        startup_timeout_s=60,
        on_event=on_event,
        on_tick=lambda: None,
    )


@pytest.fixture
def bystander() -> Any:
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    yield process
    process.kill()
    process.wait()


def test_a_hello_that_names_somebody_else_ends_nobody_else(bystander: Any) -> None:
    session(f"sender.send('hello', rank=7, pid={bystander.pid})\nsender.send('ready')", lambda message: None)
    assert bystander.poll() is None


def test_a_process_that_is_none_of_the_sessions_is_not_heard_and_not_ended(
    bystander: Any, tmp_path: Path
) -> None:
    """Not even one of the same user, who may write to the socket."""
    heard: list[Any] = []
    told = tmp_path / "socket"
    code = f"open({str(told)!r}, 'w').write(os.environ['HARNESS_PROGRESS_SOCKET'])\nsender.send('ready')"

    def intrude() -> None:
        while not told.exists() or not told.read_text():
            time.sleep(0.02)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as foreign:
            for message in ({"event": "hello", "rank": 7, "pid": bystander.pid}, VISIT, {"event": "visit"}):
                foreign.sendto(json.dumps(message).encode(), told.read_text())

    # Of this very process, from which the session descends and not the other way round.
    thread = threading.Thread(target=intrude)
    thread.start()
    session(code, heard.append)
    thread.join()
    assert heard == [{"event": "ready"}]
    assert bystander.poll() is None
    assert psutil.Process().is_running()


@pytest.mark.skipif(
    os.geteuid() != 0, reason="needs root to become somebody else; the folder's mode is tested besides"
)
def test_another_user_does_not_reach_the_socket_whatever_the_umask_is(tmp_path: Path) -> None:
    heard: list[Any] = []
    found: list[str] = []

    def on_event(message: Any) -> None:
        heard.append(message)
        if message["event"] == "ready":
            at = message["at"]

            def send() -> str:
                with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as foreign:
                    try:
                        foreign.sendto(json.dumps(VISIT).encode(), at)
                    except OSError as error:
                        return type(error).__name__
                return "sent"

            found.append(as_other_user(send))

    before = os.umask(0)
    try:
        session("sender.send('ready', at=os.environ['HARNESS_PROGRESS_SOCKET'])", on_event)
    finally:
        os.umask(before)
    assert found == ["PermissionError"]
    assert len(heard) == 1


@pytest.mark.parametrize(
    "change",
    [
        *({key: None} for key in VISIT if key != "event"),
        *({"points": value} for value in (0, -1, 2**70, 1.5, True, "2")),
        *({"share": value} for value in (-0.1, 1.1, "1", [], float("nan"))),
        *({"label": value} for value in (1, "x" * 10_000)),
        *({"step_us": value} for value in ("x", [], 3)),
        {"cell": ["c"]},
    ],
    ids=str,
)
def test_a_visit_that_no_rank_would_write_is_shown_by_nobody(change: dict[str, Any]) -> None:
    text = io.StringIO()
    with Display(Console(file=text), 2, 0, Config()) as display:
        display.event({**VISIT, **change})
        missing = {key: value for key, value in VISIT.items() if key not in change}
        display.event(missing)
    assert text.getvalue() == ""
    assert display.done == 0


def test_a_visit_is_shown_without_what_would_be_an_order_to_the_terminal() -> None:
    text = io.StringIO()
    with Display(Console(file=text), 2, 0, Config()) as display:
        display.event(
            {**VISIT, "label": "\x1b[2Jdepth 2\r", "step_us": {"\x1b]0;x\x07": 1.0, "eager": 3.5, "odd": "x"}}
        )
    assert "eager 3.5 us" in text.getvalue()
    assert not set("\x1b\x07\r") & set(text.getvalue())
    assert "odd" not in text.getvalue()


@pytest.mark.parametrize("rank", [None, -1, 2**70, "0", 1.0, True, []], ids=str)
def test_a_rank_is_a_number_of_a_rank(rank: object) -> None:
    assert rank_of({"event": "hello", "rank": rank}) is None
    assert rank_of({"event": "hello", "rank": 3}) == 3


def test_a_visit_is_read_as_it_was_written() -> None:
    assert Visit.of(VISIT) == Visit("c", "depth 2", 2, 1.0, {"eager": 3.5})


@pytest.mark.parametrize(
    "step", ["42.0", "41", "41.0 42.0", "41.0\n", "41.batch", "41.*", 41.0, None, "4.1"], ids=repr
)
def test_only_a_step_of_this_job_is_ever_signalled(step: object, monkeypatch: pytest.MonkeyPatch) -> None:
    signalled: list[str] = []
    monkeypatch.setattr("harness.cluster.srun_reach.signal_step", lambda step, name: signalled.append(step))
    monkeypatch.setattr("harness.cluster.srun_reach.STACKS_S", 0)
    reach = SrunReach(lambda text: None, "41")
    reach.hear(json.dumps({"node": "n", "event": {"event": "hello", "rank": 0, "step": step}}))
    list(reach.ask_for_stacks({}))
    assert signalled == []
    reach.hear(json.dumps({"node": "n", "event": {"event": "hello", "rank": 0, "step": "41.7"}}))
    list(reach.ask_for_stacks({}))
    assert signalled == ["41.7"]
