"""Why a session died, from what torchrun and its ranks printed last."""

from __future__ import annotations

from harness.launch.cause_of_death import cause_of_death, signal_name
from harness.launch.watch import KEPT_LINES

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
harness.worker.visits FAILED
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
  File "/x/harness/worker/visits.py", line 6, in <module>
    raise RuntimeError("this mode cannot be built")
                   ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
RuntimeError: this mode cannot be built
"""


def cause(*parts: str, code: int = 1, returncode: int = 1) -> str:
    text = "".join(parts).replace("{code}", str(code))
    told, killed = cause_of_death(text.splitlines()[-KEPT_LINES:], returncode)
    assert killed == ("was ended by" in told)
    return told


def test_a_rank_ended_by_sigkill() -> None:
    told = cause(WARNING, SUMMARY, code=-9)
    assert told == "rank 1 was ended by SIGKILL, perhaps for want of memory"


def test_a_rank_ended_by_another_signal() -> None:
    assert cause(WARNING, SUMMARY, code=-11) == "rank 1 was ended by SIGSEGV"


def test_a_rank_that_raised() -> None:
    told = cause(WARNING, TRACEBACK, SUMMARY)
    assert told == "rank 1 exited with status 1: RuntimeError: this mode cannot be built"


def test_a_rank_that_raised_with_its_name_before_each_line() -> None:
    named = "".join(f"[rank1]: {line}\n" for line in TRACEBACK.splitlines())
    told = cause(WARNING, named, SUMMARY)
    assert told == "rank 1 exited with status 1: RuntimeError: this mode cannot be built"


def test_a_rank_that_lost_the_others_is_not_the_cause_whatever_torchrun_saw_first() -> None:
    lost = "".join(f"[rank1]: {line}\n" for line in TRACEBACK.splitlines()).replace(
        "RuntimeError: this mode cannot be built", "RuntimeError: gloo: Connection closed by peer [::1]"
    )
    cause_of_it = "".join(f"[rank0]: {line}\n" for line in TRACEBACK.splitlines())
    told = cause(WARNING, lost, cause_of_it, SUMMARY)
    assert told == "rank 0 exited with status 1: RuntimeError: this mode cannot be built"


def test_a_rank_that_was_killed_is_the_cause_where_torchrun_saw_first_the_one_that_missed_it() -> None:
    lost = "".join(f"[rank1]: {line}\n" for line in TRACEBACK.splitlines()).replace(
        "RuntimeError: this mode cannot be built", "RuntimeError: gloo: Connection closed by peer [::1]"
    )
    for number, name in ((9, "SIGKILL, perhaps for want of memory"), (11, "SIGSEGV"), (15, "SIGTERM")):
        seen = SUMMARY.replace("-15 (pid: 7653)", f"-{number} (pid: 7653)")
        seen = "".join(line for line in seen.splitlines(True) if "Sending process" not in line)
        assert cause(WARNING, lost, seen) == f"rank 0 was ended by {name}"
        assert cause(WARNING, seen) == f"rank 0 was ended by {name}", "it went without a word"
        # What raised for a reason of its own is not the consequence of anything.
        assert cause(WARNING, TRACEBACK, seen).startswith("rank 1 exited with status 1: RuntimeError: this")


def test_a_rank_that_torchrun_ended_itself_is_not_the_cause() -> None:
    assert "Sending process 7653" in SUMMARY
    lost = "[rank1]: RuntimeError: gloo: Connection closed by peer [::1]\n"
    told = cause(WARNING, lost, SUMMARY)
    assert told == "rank 1 exited with status 1: RuntimeError: gloo: Connection closed by peer [::1]"


def test_of_two_ranks_that_raised_the_one_that_torchrun_saw_first_is_told() -> None:
    first, second = ("".join(f"[rank{rank}]: {line}\n" for line in TRACEBACK.splitlines()) for rank in (0, 1))
    told = cause(WARNING, first.replace("cannot be built", "cannot be run"), second, SUMMARY)
    assert told == "rank 1 exited with status 1: RuntimeError: this mode cannot be built"


def test_an_exception_of_a_package_keeps_its_full_name() -> None:
    told = cause("torch.distributed.DistBackendError: NCCL error in: x\n", SUMMARY)
    assert told == "rank 1 exited with status 1: torch.distributed.DistBackendError: NCCL error in: x"


def test_a_rank_that_exited_without_a_word_has_no_reason_put_in_its_mouth() -> None:
    """torchrun's own ChildFailedError says nothing of the cause."""
    assert cause(WARNING, SUMMARY, code=3) == "rank 1 exited with status 3"


def test_of_two_exceptions_in_one_traceback_the_one_that_was_raised_is_told() -> None:
    first = TRACEBACK.replace("RuntimeError: this mode cannot be built", "KeyError: 'x'")
    chained = first + "\nDuring handling of the above exception, another exception occurred:\n\n" + TRACEBACK
    told = cause(WARNING, chained, SUMMARY)
    assert told == "rank 1 exited with status 1: RuntimeError: this mode cannot be built"


def test_torchrun_itself_killed() -> None:
    assert cause(WARNING, returncode=-9) == "torchrun was ended by SIGKILL"


def test_torchrun_itself_failed() -> None:
    told = cause(WARNING, "ModuleNotFoundError: No module named 'torch'\n", returncode=1)
    assert told == "torchrun exited with status 1: ModuleNotFoundError: No module named 'torch'"


def test_no_output_at_all() -> None:
    assert cause(returncode=2) == "torchrun exited with status 2"


def test_it_is_one_line() -> None:
    for code in (-9, 1, 3):
        assert "\n" not in cause(WARNING, TRACEBACK, SUMMARY, code=code)


def test_a_signal_without_a_name_has_its_number() -> None:
    assert signal_name(9) == "SIGKILL"
    assert signal_name(4711) == "signal 4711"
