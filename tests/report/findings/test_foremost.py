"""The answer, and the five findings that matter most: one for each question, by a stated rule."""

from __future__ import annotations

import pytest
from synthetic import failed, make_points

from harness.report.findings import sentences, told
from harness.report.findings.claim import Crux
from harness.report.findings.foremost import MOST, OTHERWISE, QUESTIONS, answer, foremost
from harness.report.findings.told import Told
from harness.report.table.tidy import tidy


def test_the_first_sentence_that_answers_a_question_is_taken_in_the_order_of_questions() -> None:
    said = [
        Told("n", "noise"),
        Told("f1", "faster"),
        Told("b", "bottleneck"),
        Told("f2", "faster"),
        Told("z", "energy"),
    ]
    found = foremost(said)
    assert [each.told.text for each in found] == ["b", "f1", "n", "f2", "z"]
    assert [each.question for each in found] == [
        *(QUESTIONS[place][0] for place in (0, 1, 4)),
        *(OTHERWISE, OTHERWISE),
    ]


def test_there_are_five_at_most_and_all_are_sentences_of_the_report() -> None:
    points = make_points(devices=(1, 2), workloads=("forward", "train"))
    table = tidy(points)
    found = foremost(told(table))
    assert len(found) == MOST == 5
    assert {each.told.text for each in found} <= {*sentences(table)}


def test_the_answer_is_a_sentence_a_number_and_what_removes_it() -> None:
    found = answer(told(tidy(make_points())))
    assert found.crux.number.endswith("%") and found.crux.number in found.crux.brief
    assert "trace runs" in found.crux.beside and "as fast as eager" in found.crux.beside
    assert found.shown_by[0] == "crossover"


def test_the_answer_of_an_emulated_device_says_so_first() -> None:
    found = answer(told(tidy(make_points(device_kind="emulated"))))
    assert found.crux.brief.startswith("Emulated, not measured: ")


def test_of_a_cpu_the_number_and_the_gain_are_said_to_be_one_measurement_with_what_they_bound() -> None:
    crux = answer(told(tidy(make_points()))).crux
    assert "the same measurement, not a second one" in crux.beside
    assert "All dispatch is more" in crux.beside and "the interpreter alone may be less" in crux.beside
    native = answer(told(tidy(make_points(modes=("eager", "native", "script"))))).crux
    assert "is dispatch" not in native.brief


def test_the_answer_says_what_it_holds_for_and_what_was_not_measured() -> None:
    scope = answer(told(tidy(make_points()))).crux.scope
    assert scope.startswith("Measured on Test CPU 9000 (CPU: a device is a rank")
    for word in ("MLP of width 64", "forward", "float32", "autograd inference", "eager, script and trace"):
        assert word in scope
    assert "Not measured:" in scope and "compile (torch.compile)" in scope


def test_the_first_finding_does_not_repeat_its_question() -> None:
    first = foremost(told(tidy(make_points())))[0]
    assert first.question == "Is Python the bottleneck?" and "bottleneck here" not in first.text


def test_where_the_share_is_not_known_no_number_is_made_up() -> None:
    alone = answer(told(tidy(make_points(modes=("eager",))))).crux
    assert "cannot be told" in alone.brief
    assert alone.number == alone.beside == ""


@pytest.mark.parametrize("points", [make_points()[:0], make_points(change=lambda row: failed())])
def test_a_report_of_nothing_has_an_answer_that_says_so(points: object) -> None:
    said = told(tidy(points))  # type: ignore[arg-type]
    assert answer(said).crux.brief == said[0].text and answer(said).crux.number == ""
    assert foremost(said)


def test_of_several_that_answer_a_question_one_of_the_answers_rows_is_taken() -> None:
    crux = Crux("b2", "80 %", row=(("environment", "there"),))
    said = [
        Told("b1", "bottleneck", part=(("environment", "here"),), crux=Crux("b1")),
        Told("b2", "bottleneck", part=(("environment", "there"),), crux=crux),
        Told("f1", "faster", part=(("environment", "here"),)),
        Told("f2", "faster", part=(("environment", "there"),)),
        Told("z", "fading", part=(("environment", "here"),)),
    ]
    assert answer(said).crux == crux
    assert [each.told.text for each in foremost(said)] == ["b2", "f2", "z", "b1", "f1"]


def test_a_sentence_knows_the_rows_that_it_speaks_of() -> None:
    table = tidy(make_points(devices=(1, 2)))
    (gain,) = [each for each in told(table) if each.kind == "faster"][:1]
    rows = table
    for name, value in gain.at:
        rows = rows[rows[name] == value]
    assert len(rows) == 1 and rows["mode"].iloc[0] in gain.text
