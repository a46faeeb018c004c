"""What one process, its threads or one loop can feed, and which of the possible limits it is."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from ladders import controller_points
from rich.console import Console
from synthetic import failed
from test_figures import drawn, kinds
from test_findings import said

from harness.report import findings, terminal_table
from harness.report.findings.causes import cause
from harness.report.table.tidy import MODE_ORDER


def told(controller: str, own_interpreters: float = float("nan"), **row: Any) -> str:
    """The cause for a row on 8 devices of a machine with 16 cores, with one core's worth of CPU time."""
    usual: dict[str, Any] = {
        **{"mode": "eager", "controller": controller, "devices": 8, "cores": 16.0, "gil": "yes"},
        **{"host_cpu_share": 1.0, "main_thread_share": float("nan"), "waits_s": 50.0, "preemptions_s": 50.0},
        **{"device_us": 10.0, "dispatch_share": 0.9, "oversubscribed": False},
    }
    return cause(usual | row, own_interpreters)


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
    assert "lock" not in told("threads", 6.0, mode="script", **crowded)
    assert "lock" not in told("threads", 6.0, gil="no", **crowded)


def test_one_core_that_is_busy_is_both_the_machine_and_the_interpreter() -> None:
    assert "core and interpreter cannot be told apart" in told("threads", cores=1.0)


def test_a_free_threaded_interpreter_has_no_lock_to_blame() -> None:
    text = told("threads", gil="no")
    assert "free-threaded" in text
    assert "lock" not in text


def test_modes_without_python_are_not_held_back_by_the_lock() -> None:
    assert "lock" not in told("threads", mode="script")


def test_whether_there_is_a_lock_must_be_known_to_blame_it() -> None:
    assert "cannot be told apart" in told("threads", gil="")


def test_a_loop_is_one_thread_in_every_mode() -> None:
    assert told("loop", mode="native").startswith("one thread, which is busy all the time, is the limit")
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


def test_a_sentence_for_each_controller_with_what_each_mode_reaches() -> None:
    sentences = findings(controller_points())
    assert said(
        sentences,
        "On 8 devices under loop at depth 64, batch 1, of 8 times the throughput of one: eager reaches 1.00, symbolic "
        "1.00, script 1.00 and native 1.00: one thread, which is busy all the time, is the limit (1.0 of 96 cores "
        "busy); cudagraph reaches 8.00: no saturation.",
    )
    assert said(
        sentences,
        "under threads",
        "eager reaches 1.00 and symbolic 1.00: one interpreter is the limit",
        "script reaches 8.00, cudagraph 8.00 and native 8.00: no saturation.",
    )
    assert said(sentences, "under processes", "eager reaches 8.00", "no saturation.")


def test_on_two_cores_it_is_they_that_saturate_also_where_points_are_oversubscribed() -> None:
    sentences = findings(controller_points("cpu"))
    for controller in ("threads", "processes"):
        assert said(
            sentences,
            f"On 8 devices under {controller}",
            "eager reaches 2.00",
            "the 2 cores of the machine, not the interpreter, are saturated",
        )
    assert said(sentences, "under loop", "one thread")
    assert said(sentences, "16 of 48 measured points are oversubscribed", "left out of the other sentences")


def test_many_modes_are_counted_and_not_listed() -> None:
    sentences = findings(controller_points(modes=MODE_ORDER))
    assert said(sentences, "under loop", "and 5 more modes: one thread")
    assert len(sentences) <= 13


def test_one_device_under_processes_is_the_measure_where_the_controller_has_none() -> None:
    points = controller_points()
    points = points[(points["devices"] > 1) | (points["controller"] == "processes")]
    assert said(findings(points), "under loop", "eager reaches 1.00")


def test_without_one_device_nothing_is_said() -> None:
    assert not said(findings(controller_points(devices=(2, 8))), "times the throughput of one")


def test_processes_alone_are_told_by_their_efficiency() -> None:
    sentences = findings(controller_points(controllers=("processes",)))
    assert not said(sentences, "under processes")
    assert said(sentences, "Scaling efficiency of eager")


def test_the_verdict_is_on_a_process_per_device() -> None:
    sentences = findings(controller_points())
    assert said(
        sentences[:1], "(processes)? Yes: the device waits during 87 % of eager's step, in all 4 cells."
    )


@pytest.mark.parametrize("kind", ["emulated", "cpu"])
def test_controllers_are_drawn_with_their_ideal_line(tmp_path: Path, kind: str) -> None:
    def change(row: dict[str, Any]) -> dict[str, Any] | None:
        return (
            failed("unsupported", "no")
            if row["mode"] == "native" and row["controller"] == "threads"
            else None
        )

    figures, _ = drawn(controller_points(kind, modes=("eager", "native"), change=change), tmp_path)
    assert sum(figure.kind == "controllers" for figure in figures) == 1
    # Of loop and threads that figure tells all.
    assert [figure.title for figure in figures if figure.kind == "scaling"] == [
        "Scaling over devices: width 64, forward, processes"
    ]
    text = next(figure.caption for figure in figures if figure.kind == "controllers")
    assert "throughput on one device (processes) times the number of devices" in text
    assert "Points without a time: 4 unsupported." in text


def test_processes_alone_have_no_figure_of_controllers(tmp_path: Path) -> None:
    figures, _ = drawn(controller_points(controllers=("processes",)), tmp_path)
    assert "controllers" not in kinds(figures)


def test_without_one_device_there_is_no_ideal_line(tmp_path: Path) -> None:
    figures, _ = drawn(controller_points(devices=(2, 8), controllers=("threads",)), tmp_path)
    assert any("there is no ideal line" in figure.caption for figure in figures)


def test_a_long_table_shows_both_ends_of_the_device_counts_with_eager() -> None:
    console = Console(width=80)
    with console.capture() as captured:
        console.print(terminal_table(controller_points(modes=MODE_ORDER)))
    text = captured.get()
    assert max(len(line) for line in text.splitlines()) <= 80
    assert len(re.findall(r"  eager +\d", text)) == 6
    assert "60 of 120 rows, those on the fewest and on the most devices" in " ".join(text.split())
    assert " efficiency " in text
