"""The watch over a session: its time limits, by a clock that the tests move, and what is heard of one that hangs."""

from __future__ import annotations

import pytest
from small_sessions import STARTUP_S, TIMEOUT_S, Session

from harness.launch.run import DIED, FINISHED, TIMED_OUT, Ending
from harness.launch.watch import OUTPUT_GRACE_S

HANGS = "\ntime.sleep(600)"


def test_without_a_sign_of_life_the_start_times_out(session: Session) -> None:
    ending = session.run(
        "sender.send('hello', rank=0, pid=os.getpid())" + HANGS,
        on_event=lambda message: session.passes(STARTUP_S + 1),
    )
    assert ending.how == TIMED_OUT
    assert "launcher.startup_timeout_s" in ending.reason
    session.assert_gone(session.events[0]["pid"])


def test_a_start_may_take_longer_than_a_step(session: Session) -> None:
    ending = session.run(
        "sender.send('hello', rank=0)", on_event=lambda message: session.passes(STARTUP_S - 1)
    )
    assert ending == Ending(FINISHED)


def test_without_progress_a_started_session_times_out(session: Session) -> None:
    ending = session.run(
        "sender.send('ready', pid=os.getpid())" + HANGS,
        on_event=lambda message: session.passes(TIMEOUT_S + 1),
    )
    assert ending == Ending(TIMED_OUT, f"no progress for {TIMEOUT_S} s (timeout_s)")
    session.assert_gone(session.events[0]["pid"])


def test_a_session_that_makes_progress_does_not_time_out(session: Session) -> None:
    """It lasts several times as long as it may be silent."""
    ending = session.run(
        "sender.send('ready')\nfor _ in range(7): sender.send('progress')",
        on_event=lambda message: session.passes(TIMEOUT_S - 1),
    )
    assert ending == Ending(FINISHED)
    assert session.now > 5 * TIMEOUT_S


def test_output_alone_is_no_progress(session: Session) -> None:
    class Clock:
        """A log, with whose lines time passes."""

        def write(self, text: str, /) -> None:
            session.passes(TIMEOUT_S / 10)

        def flush(self) -> None: ...

    session.log = Clock()
    code = "sender.send('ready')\nwhile True:\n    print('still here')\n    time.sleep(0.01)"
    assert session.run(code).how == TIMED_OUT


def test_a_hanging_rank_writes_to_the_log_where_it_is(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.launch.local_reach.STACKS_S", 2.0)  # however slow this machine is now
    code = """
import faulthandler, signal
faulthandler.register(signal.SIGUSR1, all_threads=True)
def where_it_hangs():
    sender.send('hello', rank=3)
    sender.send('ready')
    time.sleep(600)
where_it_hangs()
"""
    ending = session.run(
        code, on_event=lambda message: session.passes(TIMEOUT_S + 1 if message["event"] == "ready" else 0)
    )
    assert ending.how == TIMED_OUT
    heading, *stack = session.log.getvalue().splitlines()
    assert heading == "rank 3 is here:"
    assert any("in where_it_hangs" in line for line in stack)


def test_the_display_is_kept_alive_meanwhile(session: Session) -> None:
    """Though nothing is heard: what is waited for comes with the third time that it is due."""
    ticks: list[float] = []

    def on_tick() -> None:
        ticks.append(session.now)
        if len(ticks) == 3:
            (session.folder / "go").touch()

    assert session.run(f"wait_for({str(session.folder / 'go')!r})", on_tick=on_tick) == Ending(FINISHED)


def test_a_dead_torchrun_is_told_from_a_hanging_one(session: Session) -> None:
    """Though a process that it left behind, which nobody knows of, holds its output open."""
    code = "sender.send('ready', pid=child().pid)\nos.kill(os.getpid(), 9)"
    ending = session.run(code, on_tick=lambda: session.passes(OUTPUT_GRACE_S / 2) if session.events else None)
    assert ending == Ending(DIED, "torchrun was ended by SIGKILL", killed=True)
    session.kill(session.events[0]["pid"])
