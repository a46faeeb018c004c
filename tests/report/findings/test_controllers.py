"""What one process, its threads or one loop can feed, in sentences."""

from __future__ import annotations

from ladders import controller_points
from saying import said

from harness.report.findings import findings
from harness.report.table.tidy import MODE_ORDER


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
