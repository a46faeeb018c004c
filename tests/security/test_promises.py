"""SECURITY.md promises nothing that no test holds."""

from __future__ import annotations

import re

from running import TESTS

PROMISES = (TESTS.parent / "SECURITY.md").read_text()


def test_every_promise_names_tests_that_there_are() -> None:
    there = {
        name
        for path in TESTS.rglob("test_*.py")
        for name in re.findall(r"^\s*(?:async )?def (test_\w+)", path.read_text(), re.MULTILINE)
    }
    named = set(re.findall(r"`(test_\w+)`", PROMISES))
    assert len(named) > 30
    assert named - there == set()


def test_every_line_of_a_promise_has_its_test() -> None:
    tables = re.findall(r"\| promise \| held by \|\n\|---\|---\|\n((?:\|.*\n)+)", PROMISES)
    assert len(tables) >= 5
    for line in "".join(tables).splitlines():
        assert "`test_" in line, line
