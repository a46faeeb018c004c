"""A passport is one small document: what is written is read again, and what is none is refused in one line."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from made_passports import made_passport

from harness.core.errors import ConfigError
from harness.passport.document import COSTS, RATES, Cost, passport_of, read_passport
from harness.passport.table import compared, comparison, table


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    for load in (None, 0.25):
        passport = replace(made_passport(), load=load)
        (tmp_path / "a.json").write_text(passport.as_json())
        assert read_passport(tmp_path / "a.json") == passport


def test_a_passport_of_all_costs_is_small() -> None:
    assert len(made_passport(missing=dict.fromkeys((*COSTS, *RATES), "x" * 300)).as_json()) < 2**14


@pytest.mark.parametrize(
    ("at", "value", "why"),
    [
        (("passport",), 2, "no passport: 1"),
        (("costs_ns",), [], "costs_ns is no table"),
        (("costs_ns", "operator"), 700, "costs_ns.operator is no cost"),
        (("costs_ns", "operator", "low"), "700", "costs_ns.operator.low is no finite number"),
        (("costs_ns", "operator", "high"), float("nan"), "costs_ns.operator.high is no finite number"),
        (("costs_ns", "operator", "value"), float("inf"), "costs_ns.operator.value is no finite number"),
        (("costs_ns", "operator", "value"), True, "costs_ns.operator.value is no finite number"),
        (("costs_ns", "operator", "value"), 1e6, "costs_ns.operator lies outside of its interval"),
        (("costs_ns", "\x1b[2J"), 1, "costs_ns has a name that is none"),
        (("rates", "memory_gb_s"), {}, "rates.memory_gb_s.value is no finite number"),
        (("noise_floor",), None, "noise_floor is no finite number"),
        (("load",), "idle", "load is no finite number"),
        (("missing",), {"launch": 3}, "missing.launch is no text"),
        (("missing",), {"launch": "x" * 3000}, "missing.launch is no text of 2000 characters"),
        (("machine",), {f"a{number}": 1 for number in range(200)}, "machine is no table of 100 entries"),
        (("machine", "host"), ["a"], "machine.host is no text"),
        (("made",), 20260101, "made is no text"),
    ],
)
def test_a_file_that_is_no_passport_is_refused_with_the_reason(
    at: tuple[str, ...], value: Any, why: str, tmp_path: Path
) -> None:
    plain = json.loads(made_passport().as_json())
    inner = plain
    for name in at[:-1]:
        inner = inner[name]
    inner[at[-1]] = value
    path = tmp_path / "b.json"
    path.write_text(json.dumps(plain))
    with pytest.raises(ConfigError) as refused:
        read_passport(path)
    assert why in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("content", ["", "[]", "{", "[" * 100_000, "\xff", "{}" + " " * 2**19])
def test_what_is_no_json_or_too_large_is_refused(content: str, tmp_path: Path) -> None:
    (tmp_path / "c.json").write_bytes(content.encode("latin-1"))
    with pytest.raises(ConfigError, match=r"a file that harness passport wrote"):
        read_passport(tmp_path / "c.json")


def test_a_file_that_is_not_there_and_a_link_to_one_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such file"):
        read_passport(tmp_path / "none.json")
    (tmp_path / "there.json").write_text(made_passport().as_json())
    (tmp_path / "link.json").symlink_to(tmp_path / "there.json")
    with pytest.raises(ConfigError):
        read_passport(tmp_path / "link.json")


def test_every_cost_of_the_table_has_its_meaning_and_what_is_missing_its_reason() -> None:
    said = "\n".join(table(made_passport(missing={"launch": "there is none"})))
    for name in ("operator", "python_call"):
        assert f"{COSTS[name]}" in said
    assert "launch: not measured: there is none" in said


def test_a_passport_that_was_made_beside_others_work_says_so() -> None:
    assert any("measure again" in line for line in table(made_passport(load=0.5)))
    assert not any("measure again" in line for line in table(made_passport(load=0.02)))


def test_what_a_passport_says_is_no_order_to_a_terminal() -> None:
    bad = "\x1b[2J"
    passport = made_passport(
        missing={"launch": bad}, machine={"host": bad, "cpu": bad, "torch": bad}, made=bad
    )
    assert "\x1b" not in "".join([*table(passport), *comparison(passport, passport)])


def rows(a: Any, b: Any) -> dict[str, Any]:
    return {each.name: each for each in compared(a, b)}


def test_a_machine_that_takes_half_is_faster_and_twice_the_rate_too() -> None:
    found = rows(made_passport(), made_passport(factor=0.5))
    assert {each.verdict for each in found.values()} == {"faster"}
    assert found["operator"].ratio.value == pytest.approx(0.5)
    assert found["memory_gb_s"].ratio.value == pytest.approx(2)
    turned = rows(made_passport(factor=0.5), made_passport())
    assert {each.verdict for each in turned.values()} == {"slower"}


def test_what_processes_of_one_machine_differ_by_is_not_called_a_difference() -> None:
    assert {each.verdict for each in rows(made_passport(), made_passport(factor=0.96)).values()} == {
        "undecided"
    }


def test_beyond_a_high_noise_floor_nothing_is_told() -> None:
    loud = made_passport(factor=0.5, noise_floor=0.2)
    assert {each.verdict for each in rows(made_passport(), loud).values()} == {"undecided"}


def test_a_cost_that_may_be_nothing_has_no_ratio() -> None:
    cost = {"compiled_library": Cost(-5.0, -20.0, 10.0)}
    a = made_passport(costs=cost)
    each = rows(a, made_passport())["compiled_library"]
    assert each.ratio is None and each.b is None and each.verdict == "undecided"
    assert rows(a, a)["compiled_library"].verdict == "undecided"


def test_a_comparison_names_both_machines() -> None:
    a, b = (made_passport(machine={"host": host, "cpu": "cpu"}) for host in ("here", "there"))
    said = comparison(a, b)
    assert said[0].startswith("A: here") and any(line.startswith("B: there") for line in said)


def test_a_passport_of_unknown_form_is_none() -> None:
    with pytest.raises(ValueError, match="no passport"):
        passport_of("{}")
