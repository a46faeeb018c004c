"""A session from its start to its end: what reaches the other side, and how it is told to have ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from running import python_path
from small_sessions import Session

from harness.launch.run import DIED, FINISHED, Ending


def test_a_command_that_ends_well_is_finished(session: Session) -> None:
    assert session.run("print('hello')") == Ending(FINISHED)
    assert session.log.getvalue() == "hello\n"
    session.assert_gone()


def test_messages_and_variables_reach_the_other_side(session: Session) -> None:
    session.run("sender.send('cell', label=os.environ['FROM_THE_LAUNCHER'])")
    assert session.events == [{"event": "cell", "label": "yes"}]


def test_the_last_words_of_a_session_are_heard(session: Session) -> None:
    session.run("sender.send('ready')\nfor n in range(5): sender.send('cell', n=n)\nprint('last', end='')")
    assert [event.get("n") for event in session.events] == [None, 0, 1, 2, 3, 4]
    assert session.log.getvalue() == "last\n"


def test_output_in_any_encoding_goes_to_the_log(session: Session) -> None:
    session.run(r"os.write(1, b'\xff\xfe caf\xc3\xa9\n' + b'x' * 300_000 + b'\n')")
    first, second = session.log.getvalue().splitlines()
    assert first.endswith("café")
    assert len(second) == 300_000


def test_a_command_that_fails_has_died_and_says_why(session: Session) -> None:
    ending = session.run("raise ValueError('no such thing')")
    assert ending == Ending(DIED, "torchrun exited with status 1: ValueError: no such thing")


def test_a_command_that_is_killed_has_died_by_that_signal(session: Session) -> None:
    ending = session.run("os.kill(os.getpid(), 9)")
    assert ending == Ending(DIED, "torchrun was ended by SIGKILL", killed=True)


@pytest.mark.parametrize("pid", [None, "x", -1, 2**40, [], 1.5, "missing"], ids=repr)
def test_a_hello_without_a_process_harms_nobody(tmp_path: Path, pid: object) -> None:
    """Least of all the launcher: psutil.Process(None) is the process that asks. So it is one of its own."""
    hello = "" if pid == "missing" else f", pid={pid!r}"
    code = f"""
import sys
from pathlib import Path
from harness.launch.run import run_session
rank = "from harness.session.progress import Sender; Sender().send('hello', rank=0{hello})"
print(run_session([sys.executable, "-c", rank], {{}}, sys.stderr, timeout_s=60,
              startup_timeout_s=60, on_event=lambda message: None, on_tick=lambda: None).how)
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": python_path()},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout) == (0, "finished\n"), done.stderr


def test_a_command_that_is_not_there_is_an_error_of_the_system(session: Session) -> None:
    with pytest.raises(OSError, match="no-such-program"):
        session.run_command(["/no-such-program"])
    session.assert_gone()


def test_torchrun_heeds_no_signal_that_the_launcher_was_started_to_ignore(session: Session) -> None:
    """It would set handlers of its own, whatever nohup has said."""
    before = signal.getsignal(signal.SIGHUP)
    try:
        # Both said, since the tests themselves may have been started by nohup.
        for how in (signal.SIG_IGN, signal.SIG_DFL):
            signal.signal(signal.SIGHUP, how)
            session.run("print(os.environ['TORCHELASTIC_SIGNALS_TO_HANDLE'])")
    finally:
        signal.signal(signal.SIGHUP, before)
    under_nohup, usual = (set(line.split(",")) for line in session.log.getvalue().splitlines())
    assert usual - under_nohup == {"SIGHUP"}
    assert "SIGTERM" in under_nohup
