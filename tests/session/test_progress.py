"""Messages from ranks to the launcher: they arrive whole, and never hold up the one that sends them."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from running import python_path

from harness.session.progress import LONGEST_PATH, SOCKET_PATH, Listener, Sender


@pytest.fixture
def listener(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Listener]:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    listening = Listener()
    monkeypatch.setenv(SOCKET_PATH, str(listening.path))
    yield listening
    listening.close()


def heard(listener: Listener) -> list[dict[str, Any]]:
    return [message for _, message in listener.receive()]


def test_messages_arrive_in_order_and_once(listener: Listener) -> None:
    sender = Sender()
    sender.send("hello", rank=0, pid=12)
    sender.send("progress")
    assert heard(listener) == [{"event": "hello", "rank": 0, "pid": 12}, {"event": "progress"}]
    assert heard(listener) == []


def test_messages_of_several_ranks_arrive(listener: Listener) -> None:
    for rank in range(4):
        Sender().send("hello", rank=rank)
    assert [message["rank"] for message in heard(listener)] == [0, 1, 2, 3]


def test_a_listener_without_messages_does_not_wait(listener: Listener) -> None:
    assert heard(listener) == []


def test_a_sender_without_a_launcher_sends_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(SOCKET_PATH, raising=False)
    Sender().send("hello", rank=0)


def test_a_sender_does_not_mind_a_socket_that_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(SOCKET_PATH, str(tmp_path / "nowhere"))
    Sender().send("hello", rank=0)


def test_a_sender_outlives_its_launcher(listener: Listener) -> None:
    sender = Sender()
    sender.send("one")
    listener.close()
    sender.send("two")


def test_a_launcher_that_does_not_read_never_holds_up_a_rank(listener: Listener) -> None:
    """More messages than any queue holds: those that do not fit are dropped, the first ones are there."""
    sender = Sender()
    for number in range(5_000):
        sender.send("progress", number=number)
    numbers = [message["number"] for message in heard(listener)]
    assert 0 < len(numbers) < 5_000
    assert numbers == list(range(len(numbers)))
    sender.send("progress", number=-1)
    assert heard(listener) == [{"event": "progress", "number": -1}]


@pytest.mark.parametrize(
    "data", [b"\xff", b"{", b"", b"[" * 50_000, b"[1]", b"3", b"null"], ids=lambda d: d[:5]
)
def test_what_is_no_message_is_dropped(listener: Listener, data: bytes) -> None:
    """The event loop takes every message for a dict."""
    foreign = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    foreign.sendto(data, str(listener.path))
    foreign.close()
    Sender().send("progress")
    assert heard(listener) == [{"event": "progress"}]


def test_a_message_larger_than_a_datagram_fails_nobody(listener: Listener) -> None:
    Sender().send("progress", text="x" * 10_000_000)
    assert heard(listener) == []


def test_each_message_comes_with_the_process_that_sent_it_as_the_kernel_knows_it(listener: Listener) -> None:
    code = "from harness.session.progress import Sender; Sender().send('hello', rank=0, pid=1)"
    done = subprocess.Popen([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": python_path()})
    done.wait()
    ((pid, message),) = listener.receive()
    assert pid == done.pid
    assert message["pid"] == 1, "what it says of itself is another matter"


def test_nobody_else_can_send_whatever_the_umask_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    before = os.umask(0)
    try:
        listener = Listener()
    finally:
        os.umask(before)
    assert listener.path.stat().st_mode & 0o777 == 0o600
    assert listener.path.parent.stat().st_mode & 0o777 == 0o700
    listener.close()


def test_a_closed_listener_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    Listener().close()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["x" * 120, "é" * 60])
def test_where_the_temporary_folder_has_a_long_name_the_socket_is_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    folder = tmp_path / name
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    listener = Listener()
    try:
        assert len(str(listener.path).encode()) <= LONGEST_PATH
        assert listener.path.parent.stat().st_mode & 0o077 == 0
        monkeypatch.setenv(SOCKET_PATH, str(listener.path))
        Sender().send("hello")
        assert heard(listener) == [{"event": "hello"}]
    finally:
        listener.close()
    assert not listener.path.parent.exists()
    assert list(folder.iterdir()) == []
