"""Why a mode does not scale: each cause is told where it is shown, and none is guessed."""

from __future__ import annotations

from typing import Any

from harness.report.findings.saturation import saturated


def told(controller: str, own_interpreters: float = float("nan"), **row: Any) -> str:
    """The cause for a row on 8 devices of a machine with 16 cores, with one core's worth of CPU time."""
    usual: dict[str, Any] = {
        **{"mode": "eager", "locked": True, "gil": "yes"},
        **{"controller": controller, "devices": 8, "cores": 16.0},
        **{"host_cpu_share": 1.0, "main_thread_share": float("nan"), "waits_s": 50.0, "preemptions_s": 50.0},
        **{"device_us": 10.0, "dispatch_share": 0.9, "oversubscribed": False},
    }
    return saturated(usual | row, own_interpreters)


def test_under_threads_handing_the_lock_over_all_the_time_is_the_interpreters_lock() -> None:
    assert told("threads", waits_s=50_000.0, host_cpu_share=1.4, cores=2.0) == (
        "one interpreter is the limit, since its lock lets one thread run at a time (1.4 of 2 cores busy, 50000 waits "
        "a second against 50 preemptions)"
    )


def test_threads_that_were_taken_off_their_cores_may_have_wanted_for_cores() -> None:
    assert "cannot be told apart" in told("threads", waits_s=1000.0, preemptions_s=1000.0)


def test_all_cores_busy_is_the_machine_and_not_the_interpreter() -> None:
    said_so = "the 2 cores of the machine, not the interpreter, are saturated (1.9 of 2 cores busy)"
    assert told("threads", cores=2.0, host_cpu_share=1.9) == said_so
    assert told("processes", cores=2.0, host_cpu_share=1.9 / 8) == said_so
    assert told("loop", cores=2.0, host_cpu_share=1.9) == said_so


def test_between_the_two_nothing_is_claimed() -> None:
    assert "cannot be told apart" in told("threads", cores=2.0, host_cpu_share=1.5)
    assert "cannot be told apart" in told("threads", host_cpu_share=0.3)
    assert "cannot be told apart" in told("processes")


def test_an_interpreter_for_each_device_that_does_better_on_the_same_cores_proves_the_lock() -> None:
    crowded: dict[str, Any] = {"cores": 2.0, "host_cpu_share": 1.5}
    assert told("threads", 6.0, **crowded) == (
        "one interpreter is the limit, since its lock lets one thread run at a time (an interpreter for each device "
        "gives 6.00 times as much there; 1.5 of 2 cores busy)"
    )
    assert "cannot be told apart" in told("threads", 1.2, **crowded)
    assert "lock" not in told("threads", 6.0, locked=False, **crowded)
    assert "lock" not in told("threads", 6.0, gil="no", **crowded)


def test_one_core_that_is_busy_is_both_the_machine_and_the_interpreter() -> None:
    assert "core and interpreter cannot be told apart" in told("threads", cores=1.0)


def test_a_free_threaded_interpreter_has_no_lock_to_blame() -> None:
    text = told("threads", gil="no")
    assert "free-threaded" in text
    assert "lock" not in text


def test_modes_without_python_are_not_held_back_by_the_lock() -> None:
    assert "lock" not in told("threads", locked=False)


def test_whether_there_is_a_lock_must_be_known_to_blame_it() -> None:
    assert "cannot be told apart" in told("threads", gil="")


def test_a_loop_is_one_thread_in_every_mode() -> None:
    assert told("loop", locked=False).startswith("one thread, which is busy all the time, is the limit")
    # A driver's helper threads take time beside it.
    assert told("loop", host_cpu_share=2.5, main_thread_share=0.99).startswith("one thread")


def test_devices_that_hardly_wait_are_the_limit_whatever_the_host_does() -> None:
    assert told("loop", dispatch_share=0.05).startswith("the devices themselves are the limit")


def test_without_cpu_time_the_cause_is_unknown() -> None:
    assert "no CPU time was recorded" in told("threads", host_cpu_share=float("nan"))


def test_more_than_all_cores_of_oversubscribed_ranks_is_all_of_them() -> None:
    text = told("processes", cores=2.0, host_cpu_share=0.46, oversubscribed=True)
    assert text == "the 2 cores of the machine, not the interpreter, are saturated (2.0 of 2 cores busy)"


def test_ranks_with_cores_of_their_own_are_not_taken_to_share_them() -> None:
    assert "saturated" not in told("processes", cores=1.0, host_cpu_share=1.0)
