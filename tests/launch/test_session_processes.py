"""However a session ends, none of its processes is left."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest
from small_sessions import Session

from harness.launch.run import DIED
from harness.launch.watch import OUTPUT_GRACE_S

TWO_THAT_SLEEP = "sender.send('cell', pids=[os.getpid(), child().pid])\ntime.sleep(600)"


@pytest.mark.parametrize("raised", [KeyboardInterrupt, RuntimeError])
def test_no_process_is_left_after_an_exception(session: Session, raised: type[BaseException]) -> None:
    def on_event(message: dict[str, Any]) -> None:
        raise raised

    with pytest.raises(raised):
        session.run(TWO_THAT_SLEEP, on_event=on_event)
    session.assert_gone(*session.events[0]["pids"])


@pytest.fixture
def interruptible() -> Iterator[None]:
    """SIGINT raises, as in a terminal: a test that a shell has started in the background ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_a_signal_to_the_launcher_leaves_no_process(session: Session) -> None:
    with pytest.raises(KeyboardInterrupt):
        session.run(TWO_THAT_SLEEP, on_event=lambda message: os.kill(os.getpid(), signal.SIGINT))
    session.assert_gone(*session.events[0]["pids"])


def test_ranks_that_outlive_torchrun_are_ended(session: Session) -> None:
    """A rank makes itself known by `hello`, so it is found though its parent is gone."""
    torchrun = "os.getppid()"
    rank = f"Sender().send('hello', rank=0); Sender().send('cell', pid=os.getpid(), torchrun={torchrun})"
    code = f"""
code = "import os, time; from harness.session.progress import Sender; {rank}; time.sleep(600)"
subprocess.Popen([sys.executable, "-c", code], start_new_session=True)
time.sleep(600)
"""

    def on_event(message: dict[str, Any]) -> None:
        if message["event"] == "cell":
            os.kill(message["torchrun"], signal.SIGKILL)

    def on_tick() -> None:
        if len(session.events) == 2:
            session.passes(OUTPUT_GRACE_S / 2)

    assert session.run(code, on_event=on_event, on_tick=on_tick).how == DIED
    session.assert_gone(session.events[1]["pid"])
