"""A diagnosis as text, data, page and figure, from made-up measurements."""

from __future__ import annotations

import json

from measurements import COSTS, about, beside_device, ladder, measured, seen, spot

from harness.diagnosis.diagnose import concluded
from harness.diagnosis.measurement import Measurement
from harness.diagnosis.shown.drawing import draw
from harness.diagnosis.shown.page import fragment, page
from harness.diagnosis.shown.result import Diagnosis
from harness.diagnosis.subject import subject_of_step
from harness.diagnosis.verify import Verified
from harness.passport.document import Cost, Passport


def found(given: Measurement, device_kind: str = "cpu") -> Diagnosis:
    passport = Passport(
        machine={"cpu": "a processor", "device_kind": device_kind},
        costs={name: Cost(us * 1e3, us * 1e3, us * 1e3) for name, us in COSTS.items()},
        rates={},
        noise_floor=0.01,
        load=0.4,
        missing={},
        made="2026-01-01T00:00:00+00:00",
    )
    return concluded(subject_of_step(lambda: None, "my <model>"), passport, given)


def test_as_data_it_has_what_the_command_promises() -> None:
    data = json.loads(found(beside_device(100.0, 20.0)).as_json())
    assert {"verdict", "shares", "launches", "feedable_devices", "what_if"} <= set(data)
    assert data["feedable_devices"] == 0.2
    assert set(data["shares"]["interpreter"]) == {"estimate", "low", "high"}
    assert data["what_if"][0]["predicted_us"]["low"] < data["what_if"][0]["predicted_us"]["high"]


def test_the_table_has_the_verdict_first_and_every_part_with_what_is_unexplained() -> None:
    text = str(found(measured()))
    assert text.splitlines()[0].startswith("my <model>: This step is bound by the interpreter")
    for name in (
        "modules",
        "frames",
        "dispatcher",
        "allocator",
        "kernels",
        "unexplained",
        "whole",
    ):
        assert f"  {name} " in text
    assert "Other programs used 40 %" in text


def test_predictions_that_were_verified_stand_beside_what_was_measured() -> None:
    diagnosis = found(measured())
    script = diagnosis.predicted[0]
    off = Verified(script.change, about(script.us.estimate / 2))
    refused = Verified("compile", None, "no C++ compiler")
    verified = diagnosis.with_verified([off, refused])
    text = str(verified)
    assert "+100 % (outside)" in text and "no C++ compiler" in text
    row = json.loads(verified.as_json())["what_if"][0]
    assert row["interval_held"] is False and abs(row["error"] - 1) < 1e-9
    # What was written down before is what stands beside it.
    assert verified.certificate() == diagnosis.certificate()


def test_the_page_needs_nothing_else_and_escapes_names() -> None:
    text = page(found(measured()))
    assert "my &lt;model&gt;" in text and "<model>" not in text
    assert "data:image/svg+xml;base64," in text
    assert "http" not in text.replace("http-equiv", "")
    assert "data:image/png;base64," in fragment(found(measured()))
    assert found(measured())._repr_html_() == fragment(found(measured()))


def test_a_figure_is_drawn_whatever_is_missing() -> None:
    for given in (
        measured(),
        measured(layer=None),
        measured(ladder=None, layer=None, notes=("it has no ladder",)),
        beside_device(100.0, 20.0),
        measured(look=seen(own=(spot(0.9),))),
    ):
        assert draw(found(given)).startswith(b"\x89PNG")
        assert b"<svg" in draw(found(given), "svg")


def test_what_is_modelled_is_marked_wherever_it_is_shown() -> None:
    emulated = found(beside_device(100.0, 20.0), "emulated")
    for text in (str(emulated), page(emulated), emulated.as_json()):
        assert "EMULATED - modelled, not measured" in text
    assert "EMULATED" not in str(found(beside_device(100.0, 20.0), "cuda"))
    assert draw(emulated) != draw(found(beside_device(100.0, 20.0), "cuda"))


def test_what_a_prediction_is_held_against_stands_beside_it() -> None:
    text = str(found(beside_device(100.0, 20.0)))
    assert "beside one thread that issues to all of them" in text
    assert "beside two steps of the batch as it is" in text


def test_of_a_bare_step_that_records_for_backward_no_mode_is_predicted() -> None:
    parts = {
        "modules": 30.0,
        "frames": 40.0,
        "dispatcher": 20.0,
        "autograd": 9.0,
        "allocator": 5.0,
        "kernels": 10.0,
    }
    diagnosis = found(measured(ladder=ladder(parts)))
    assert {each.change for each in diagnosis.refused} == {"script", "native", "compile"}
