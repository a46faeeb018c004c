"""Messages from ranks to the launcher: they arrive whole, and never hold up the one that sends them."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.progress import LONGEST_PATH, SOCKET_PATH, Listener, Sender


@pytest.fixture
def listener(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Listener]:
    listening = Listener(tmp_path)
    monkeypatch.setenv(SOCKET_PATH, str(listening.path))
    yield listening
    listening.close()


def test_messages_arrive_in_order_and_once(listener: Listener) -> None:
    sender = Sender()
    sender.send("hello", rank=0, pid=12)
    sender.send("progress")
    assert listener.receive() == [{"event": "hello", "rank": 0, "pid": 12}, {"event": "progress"}]
    assert listener.receive() == []


def test_messages_of_several_ranks_arrive(listener: Listener) -> None:
    for rank in range(4):
        Sender().send("hello", rank=rank)
    assert [message["rank"] for message in listener.receive()] == [0, 1, 2, 3]


def test_a_listener_without_messages_does_not_wait(listener: Listener) -> None:
    assert listener.receive() == []


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
    numbers = [message["number"] for message in listener.receive()]
    assert 0 < len(numbers) < 5_000
    assert numbers == list(range(len(numbers)))
    sender.send("progress", number=-1)
    assert listener.receive() == [{"event": "progress", "number": -1}]


@pytest.mark.parametrize(
    "data", [b"\xff", b"{", b"", b"[" * 50_000, b"[1]", b"3", b"null"], ids=lambda d: d[:5]
)
def test_what_is_no_message_is_dropped(listener: Listener, data: bytes) -> None:
    """The event loop takes every message for a dict."""
    foreign = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    foreign.sendto(data, str(listener.path))
    foreign.close()
    Sender().send("progress")
    assert listener.receive() == [{"event": "progress"}]


def test_a_message_larger_than_a_datagram_fails_nobody(listener: Listener) -> None:
    Sender().send("progress", text="x" * 10_000_000)
    assert listener.receive() == []


def test_a_closed_listener_leaves_nothing_behind(tmp_path: Path) -> None:
    Listener(tmp_path).close()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["x" * 120, "é" * 60])
def test_a_long_folder_has_a_short_socket_elsewhere_for_this_user_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    folder = tmp_path / name
    folder.mkdir()
    listener = Listener(folder)
    try:
        assert len(str(listener.path).encode()) <= LONGEST_PATH
        assert listener.path.parent.stat().st_mode & 0o077 == 0
        monkeypatch.setenv(SOCKET_PATH, str(listener.path))
        Sender().send("hello")
        assert listener.receive() == [{"event": "hello"}]
    finally:
        listener.close()
    assert not listener.path.parent.exists()
    assert list(folder.iterdir()) == []


def test_a_relative_folder_gives_an_absolute_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The ranks may run in another folder."""
    monkeypatch.chdir(tmp_path)
    Path("run").mkdir()
    listener = Listener(Path("run"))
    assert listener.path.is_absolute()
    listener.close()
