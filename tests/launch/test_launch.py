"""Starting, watching and ending a session: real processes, small ones in place of torchrun."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from running import python_path

import harness.core.processes.run_module
from harness.launch.cause_of_death import cause_of_death, signal_name
from harness.launch.run import (
    DIED,
    FINISHED,
    KEPT_LINES,
    TIMED_OUT,
    Ending,
    loopback_interface,
    run_session,
    session_variables,
    shell_line,
    torchrun_command,
)

RUN_MODULE = str(Path(harness.core.processes.run_module.__file__))

# What the small commands begin with: sending messages, and starting a child that sleeps.
PRELUDE = """
import os, subprocess, sys, time
from harness.session.progress import Sender
sender = Sender()
def child():
    return subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
"""


class Session:
    """Runs small commands as sessions and keeps what was seen."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.log = folder, io.StringIO()
        self.events: list[dict[str, Any]] = []
        self.ticks = 0

    def run(
        self,
        code: str,
        *,
        timeout_s: float = 60,
        startup_timeout_s: float = 60,
        on_event: Callable[[dict[str, Any]], None] | None = None,
    ) -> Ending:
        return run_session(
            [sys.executable, "-u", "-c", PRELUDE + code],
            {"PYTHONPATH": python_path(), "FROM_THE_LAUNCHER": "yes", "TMPDIR": str(self.folder)},
            self.log,
            timeout_s=timeout_s,
            startup_timeout_s=startup_timeout_s,
            on_event=on_event or self.events.append,
            on_tick=self.tick,
        )

    def tick(self) -> None:
        self.ticks += 1

    def assert_gone(self, *pids: int) -> None:
        for pid in pids:
            assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
        assert not list(self.folder.glob("harness-*")), "its own folders are removed"


@pytest.fixture
def session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Session:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return Session(tmp_path)


class TestCommand:
    def test_the_command_is_this_one(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        python = str(tmp_path / "python")
        monkeypatch.setattr(sys, "executable", python)
        assert torchrun_command(2, "processes-2-try1", Path("/run/sessions/processes-2-try1")) == [
            *(python, RUN_MODULE, "torch.distributed.run"),
            "--nnodes=1",
            "--nproc-per-node=2",
            "--rdzv-backend=c10d",
            "--rdzv-endpoint=/run/sessions/processes-2-try1/rendezvous",
            "--rdzv-conf=store_type=file",
            "--rdzv-id=processes-2-try1",
            "--local-addr=localhost",
            "--max-restarts=0",
            "--monitor-interval=0.25",
            "--log-dir=/run/sessions/processes-2-try1/torchrun",
            "--no-python",
            *(python, RUN_MODULE, "harness.worker"),
            "/run/sessions/processes-2-try1/session.json",
        ]

    def test_every_port_is_bound_to_the_loopback_interface(self) -> None:
        variables = session_variables(3)
        loopback = loopback_interface()
        assert any(a.address == "127.0.0.1" for a in psutil.net_if_addrs()[loopback])
        assert variables["GLOO_SOCKET_IFNAME"] == variables["NCCL_SOCKET_IFNAME"] == loopback
        assert variables["TORCH_DISABLE_SHARE_RDZV_TCP_STORE"] == "1"

    def test_threads_are_set_and_not_left_to_a_default(self) -> None:
        variables = session_variables(3)
        assert variables["OMP_NUM_THREADS"] == variables["MKL_NUM_THREADS"] == "3"

    def test_nothing_compiled_in_an_earlier_session_is_found_by_the_next(self, session: Session) -> None:
        for _ in range(2):
            session.run(
                "sender.send('cell', cache=os.environ['TORCHINDUCTOR_CACHE_DIR'], at=os.environ['TMPDIR'])"
            )
        first, second = session.events
        assert first["cache"] != second["cache"]
        assert first["at"] != second["at"]

    def test_the_line_shown_does_what_the_command_does(self) -> None:
        code = "import os, sys; print(os.environ['A'], sys.argv[1])"
        line = shell_line([sys.executable, "-c", code, "it's $HOME"], {"A": "x y"})
        done = subprocess.run(["sh", "-c", line], capture_output=True, text=True, check=True)
        assert done.stdout == "x y it's $HOME\n"


class TestRun:
    def test_a_command_that_ends_well_is_finished(self, session: Session) -> None:
        assert session.run("print('hello')") == Ending(FINISHED)
        assert session.log.getvalue() == "hello\n"
        session.assert_gone()

    def test_messages_and_variables_reach_the_other_side(self, session: Session) -> None:
        session.run("sender.send('cell', label=os.environ['FROM_THE_LAUNCHER'])")
        assert session.events == [{"event": "cell", "label": "yes"}]

    def test_the_last_words_of_a_session_are_heard(self, session: Session) -> None:
        session.run(
            "sender.send('ready')\nfor n in range(5): sender.send('cell', n=n)\nprint('last', end='')"
        )
        assert [event.get("n") for event in session.events] == [None, 0, 1, 2, 3, 4]
        assert session.log.getvalue() == "last\n"

    def test_output_in_any_encoding_goes_to_the_log(self, session: Session) -> None:
        session.run(r"os.write(1, b'\xff\xfe caf\xc3\xa9\n' + b'x' * 300_000 + b'\n')")
        first, second = session.log.getvalue().splitlines()
        assert first.endswith("café")
        assert len(second) == 300_000

    def test_a_command_that_fails_has_died_and_says_why(self, session: Session) -> None:
        ending = session.run("raise ValueError('no such thing')")
        assert ending == Ending(DIED, "torchrun exited with status 1: ValueError: no such thing")

    def test_a_command_that_is_killed_has_died_by_that_signal(self, session: Session) -> None:
        ending = session.run("os.kill(os.getpid(), 9)")
        assert ending == Ending(DIED, "torchrun was ended by SIGKILL", killed=True)

    def test_without_a_sign_of_life_the_start_times_out(self, session: Session) -> None:
        ending = session.run(
            "sender.send('hello', rank=0, pid=os.getpid())\ntime.sleep(600)", startup_timeout_s=1.5
        )
        assert ending.how == TIMED_OUT
        assert "launcher.startup_timeout_s" in ending.reason
        session.assert_gone(session.events[0]["pid"])

    def test_without_progress_a_started_session_times_out(self, session: Session) -> None:
        ending = session.run("sender.send('ready', pid=os.getpid())\ntime.sleep(600)", timeout_s=1)
        assert ending == Ending(TIMED_OUT, "no progress for 1 s (timeout_s)")
        session.assert_gone(session.events[0]["pid"])

    def test_a_session_that_makes_progress_does_not_time_out(self, session: Session) -> None:
        """It lasts three times as long as it may be silent."""
        code = "sender.send('ready')\nfor _ in range(12):\n    sender.send('progress')\n    time.sleep(0.2)"
        assert session.run(code, timeout_s=0.8) == Ending(FINISHED)

    def test_output_alone_is_no_progress(self, session: Session) -> None:
        code = "sender.send('ready')\nwhile True:\n    print('still here')\n    time.sleep(0.05)"
        assert session.run(code, timeout_s=1).how == TIMED_OUT

    def test_a_hanging_rank_writes_to_the_log_where_it_is(self, session: Session) -> None:
        code = """
import faulthandler, signal
faulthandler.register(signal.SIGUSR1, all_threads=True)
def where_it_hangs():
    sender.send('hello', rank=0)
    sender.send('ready')
    time.sleep(600)
where_it_hangs()
"""
        assert session.run(code, timeout_s=1).how == TIMED_OUT
        assert "where_it_hangs" in session.log.getvalue()

    def test_the_display_is_kept_alive_meanwhile(self, session: Session) -> None:
        session.run("time.sleep(1.6)")
        assert session.ticks >= 2

    @pytest.mark.parametrize("raised", [KeyboardInterrupt, RuntimeError])
    def test_no_process_is_left_after_an_exception(
        self, session: Session, raised: type[BaseException]
    ) -> None:
        def on_event(message: dict[str, Any]) -> None:
            session.events.append(message)
            raise raised

        with pytest.raises(raised):
            session.run(
                "sender.send('cell', pids=[os.getpid(), child().pid])\ntime.sleep(600)", on_event=on_event
            )
        session.assert_gone(*session.events[0]["pids"])

    def test_a_signal_to_the_launcher_leaves_no_process(self, session: Session) -> None:
        def on_event(message: dict[str, Any]) -> None:
            session.events.append(message)
            os.kill(os.getpid(), signal.SIGINT)

        with pytest.raises(KeyboardInterrupt):
            session.run(
                "sender.send('cell', pids=[os.getpid(), child().pid])\ntime.sleep(600)", on_event=on_event
            )
        session.assert_gone(*session.events[0]["pids"])

    def test_ranks_that_outlive_torchrun_are_ended(self, session: Session) -> None:
        """A rank makes itself known by `hello`, so it is found though its parent is gone."""
        rank = "Sender().send('hello', rank=0); Sender().send('cell', pid=os.getpid()); time.sleep(600)"
        code = f"""
code = "import os, time; from harness.session.progress import Sender; {rank}"
subprocess.Popen([sys.executable, "-c", code], start_new_session=True)
time.sleep(3)
"""
        session.run(code, timeout_s=1)
        session.assert_gone(session.events[1]["pid"])

    def test_a_dead_torchrun_is_told_from_a_hanging_one(self, session: Session) -> None:
        """Though a process that it left behind holds its output open."""
        code = "sender.send('ready', pid=child().pid)\nos.kill(os.getpid(), 9)"
        ending = session.run(code, timeout_s=1)
        with contextlib.suppress(psutil.NoSuchProcess):
            psutil.Process(session.events[0]["pid"]).kill()
        assert ending == Ending(DIED, "torchrun was ended by SIGKILL", killed=True)

    @pytest.mark.parametrize("pid", [None, "x", -1, 2**40, [], 1.5, "missing"], ids=repr)
    def test_a_hello_without_a_process_harms_nobody(self, tmp_path: Path, pid: object) -> None:
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

    def test_a_command_that_is_not_there_is_an_error_of_the_system(self, session: Session) -> None:
        with pytest.raises(OSError, match="no-such-program"):
            run_session(
                ["/no-such-program"],
                {},
                session.log,
                timeout_s=1,
                startup_timeout_s=1,
                on_event=session.events.append,
                on_tick=session.tick,
            )
        session.assert_gone()


# As torchrun 2.14 prints them; the traceback of torchrun's own code is shortened.
WARNING = """\
W1123 15:51:36.050000 7576 torch/distributed/run.py:982] *****************************************
W1123 15:51:36.050000 7576 torch/distributed/run.py:982] Setting OMP_NUM_THREADS environment variable ...
"""
SUMMARY = """\
W1123 15:51:36.785000 7576 torch/distributed/elastic/multiprocessing/api.py:1028] Sending process 7653 closing signal SIGTERM
E1123 15:51:36.791000 7576 torch/distributed/elastic/multiprocessing/api.py:1002] failed (exitcode: {code}) local_rank: 1 (pid: 7654) of binary: /home/user/harness/.venv/bin/python3
Traceback (most recent call last):
  File "/home/user/harness/.venv/bin/torchrun", line 8, in <module>
    sys.exit(main())
             ^^^^^^
  File "/home/user/harness/.venv/lib/python3.11/site-packages/torch/distributed/launcher/api.py", line 386, in launch_agent
    raise ChildFailedError(
torch.distributed.elastic.multiprocessing.errors.ChildFailedError: 
============================================================
harness.worker FAILED
------------------------------------------------------------
Failures:
[1]:
  time      : 2026-11-23_15:51:36
  host      : localhost
  rank      : 0 (local_rank: 0)
  exitcode  : -15 (pid: 7653)  (SIGTERM)
  error_file: <N/A>
  traceback : Signal 15 (SIGTERM) received by PID 7653
------------------------------------------------------------
Root Cause (first observed failure):
[0]:
  time      : 2026-11-23_15:51:36
  host      : localhost
  rank      : 1 (local_rank: 1)
  exitcode  : {code} (pid: 7654) 
  error_file: <N/A>
  traceback : To enable traceback see: https://pytorch.org/docs/stable/elastic/errors.html
============================================================
"""  # noqa: E501, W291
TRACEBACK = """\
Traceback (most recent call last):
  File "/x/harness/worker/__main__.py", line 6, in <module>
    raise RuntimeError("this mode cannot be built")
                   ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
RuntimeError: this mode cannot be built
"""


def cause(*parts: str, code: int = 1, returncode: int = 1) -> str:
    text = "".join(parts).replace("{code}", str(code))
    told, killed = cause_of_death(text.splitlines()[-KEPT_LINES:], returncode)
    assert killed == ("was ended by" in told)
    return told


class TestCause:
    def test_a_rank_ended_by_sigkill(self) -> None:
        told = cause(WARNING, SUMMARY, code=-9)
        assert told == "rank 1 was ended by SIGKILL, perhaps for want of memory"

    def test_a_rank_ended_by_another_signal(self) -> None:
        assert cause(WARNING, SUMMARY, code=-11) == "rank 1 was ended by SIGSEGV"

    def test_a_rank_that_raised(self) -> None:
        told = cause(WARNING, TRACEBACK, SUMMARY)
        assert told == "rank 1 exited with status 1: RuntimeError: this mode cannot be built"

    def test_a_rank_that_raised_with_its_name_before_each_line(self) -> None:
        named = "".join(f"[rank1]: {line}\n" for line in TRACEBACK.splitlines())
        told = cause(WARNING, named, SUMMARY)
        assert told == "rank 1 exited with status 1: RuntimeError: this mode cannot be built"

    def test_a_rank_that_lost_the_others_is_not_the_cause_whatever_torchrun_saw_first(self) -> None:
        lost = "".join(f"[rank1]: {line}\n" for line in TRACEBACK.splitlines()).replace(
            "RuntimeError: this mode cannot be built", "RuntimeError: gloo: Connection closed by peer [::1]"
        )
        cause_of_it = "".join(f"[rank0]: {line}\n" for line in TRACEBACK.splitlines())
        told = cause(WARNING, lost, cause_of_it, SUMMARY)
        assert told == "rank 0 exited with status 1: RuntimeError: this mode cannot be built"

    def test_a_rank_that_was_killed_is_the_cause_where_torchrun_saw_first_the_one_that_missed_it(
        self,
    ) -> None:
        lost = "".join(f"[rank1]: {line}\n" for line in TRACEBACK.splitlines()).replace(
            "RuntimeError: this mode cannot be built", "RuntimeError: gloo: Connection closed by peer [::1]"
        )
        for number, name in ((9, "SIGKILL, perhaps for want of memory"), (11, "SIGSEGV"), (15, "SIGTERM")):
            seen = SUMMARY.replace("-15 (pid: 7653)", f"-{number} (pid: 7653)")
            seen = "".join(line for line in seen.splitlines(True) if "Sending process" not in line)
            assert cause(WARNING, lost, seen) == f"rank 0 was ended by {name}"
            assert cause(WARNING, seen) == f"rank 0 was ended by {name}", "it went without a word"
            # What raised for a reason of its own is not the consequence of anything.
            assert cause(WARNING, TRACEBACK, seen).startswith(
                "rank 1 exited with status 1: RuntimeError: this"
            )

    def test_a_rank_that_torchrun_ended_itself_is_not_the_cause(self) -> None:
        assert "Sending process 7653" in SUMMARY
        lost = "[rank1]: RuntimeError: gloo: Connection closed by peer [::1]\n"
        told = cause(WARNING, lost, SUMMARY)
        assert told == "rank 1 exited with status 1: RuntimeError: gloo: Connection closed by peer [::1]"

    def test_of_two_ranks_that_raised_the_one_that_torchrun_saw_first_is_told(self) -> None:
        first, second = (
            "".join(f"[rank{rank}]: {line}\n" for line in TRACEBACK.splitlines()) for rank in (0, 1)
        )
        told = cause(WARNING, first.replace("cannot be built", "cannot be run"), second, SUMMARY)
        assert told == "rank 1 exited with status 1: RuntimeError: this mode cannot be built"

    def test_an_exception_of_a_package_keeps_its_full_name(self) -> None:
        told = cause("torch.distributed.DistBackendError: NCCL error in: x\n", SUMMARY)
        assert told == "rank 1 exited with status 1: torch.distributed.DistBackendError: NCCL error in: x"

    def test_a_rank_that_exited_without_a_word_has_no_reason_put_in_its_mouth(self) -> None:
        """torchrun's own ChildFailedError says nothing of the cause."""
        assert cause(WARNING, SUMMARY, code=3) == "rank 1 exited with status 3"

    def test_of_two_exceptions_in_one_traceback_the_one_that_was_raised_is_told(self) -> None:
        first = TRACEBACK.replace("RuntimeError: this mode cannot be built", "KeyError: 'x'")
        chained = (
            first + "\nDuring handling of the above exception, another exception occurred:\n\n" + TRACEBACK
        )
        told = cause(WARNING, chained, SUMMARY)
        assert told == "rank 1 exited with status 1: RuntimeError: this mode cannot be built"

    def test_torchrun_itself_killed(self) -> None:
        assert cause(WARNING, returncode=-9) == "torchrun was ended by SIGKILL"

    def test_torchrun_itself_failed(self) -> None:
        told = cause(WARNING, "ModuleNotFoundError: No module named 'torch'\n", returncode=1)
        assert told == "torchrun exited with status 1: ModuleNotFoundError: No module named 'torch'"

    def test_no_output_at_all(self) -> None:
        assert cause(returncode=2) == "torchrun exited with status 2"

    def test_it_is_one_line(self) -> None:
        for code in (-9, 1, 3):
            assert "\n" not in cause(WARNING, TRACEBACK, SUMMARY, code=code)


def test_a_signal_without_a_name_has_its_number() -> None:
    assert signal_name(9) == "SIGKILL"
    assert signal_name(4711) == "signal 4711"
