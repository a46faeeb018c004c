"""What samplers saw, in sentences: where it misleads, that is said."""

from __future__ import annotations

from sampled_points import sampled_points
from synthetic import make_points

from harness.report.findings import findings


def test_busy_by_nvml_and_waiting_by_the_clock_is_told_with_the_reason() -> None:
    text = next(text for text in findings(sampled_points(98.0)) if "NVML" in text)
    assert text == (
        "NVML reports a utilisation of 98 % for eager at depth 2, batch 1 on 1 device, although the device waits "
        "during 50 % of the step: it counts any time in which any kernel runs. The two are more than 10 points "
        "apart in 27 of 27 points."
    )


def test_less_than_the_device_works_has_no_such_reason() -> None:
    text = next(text for text in findings(sampled_points(10.0)) if "NVML" in text)
    assert "although the device waits during only 20 % of the step when it is timed" in text


def test_agreement_is_told_too() -> None:
    text = next(text for text in findings(sampled_points()) if "NVML" in text)
    assert text.endswith("within 10 points, in all of 27 points.")


def test_energy_is_compared_within_a_cell() -> None:
    text = next(text for text in findings(sampled_points(depths=(4,), batches=(1, 8))) if "Energy" in text)
    # 4 layers: eager 4 + 4 x 9.02 us, trace 4 + 4 x 2.52 us a step.
    assert text == (
        "Energy per sample differs most at depth 4, batch 1 on 1 device: trace takes 3.38 mJ and eager 12.0 mJ, "
        "3.56 times as much."
    )


def test_a_difference_within_the_error_is_none() -> None:
    points = sampled_points(depths=(4,)).assign(energy_mj_per_sample=1.0)
    assert any("No mode takes 10 % more energy per sample" in text for text in findings(points))


def test_nothing_is_said_of_what_was_not_sampled() -> None:
    texts = " ".join(findings(make_points(device_kind="cuda")))
    assert "NVML" not in texts
    assert "nergy" not in texts
