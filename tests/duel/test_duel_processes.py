"""A duel of real processes, which multiply lists of Python's own numbers: no framework is needed to see one through."""

from __future__ import annotations

import sys
from pathlib import Path

import psutil
import pytest

from harness.core.errors import HarnessError
from harness.duel.cells import Cell
from harness.duel.contestants import Contestant, crowded
from harness.duel.contrasts import NULL, OF_A_DUEL, RATIO
from harness.duel.driven import A_AGAIN, A, B, Task
from harness.duel.facts import differing, notes
from harness.duel.repeat import Rules
from harness.duel.run import Duelled, duel
from harness.environments.document import Environment
from harness.environments.interpreter import Interpreter

AXES = dict.fromkeys(("model", "mode", "workload", "dtype", "autograd", "batch"), "x")


def contestant(**variables: str) -> Contestant:
    environment = Environment("plain", "plain", sys.executable, (), variables)
    return Contestant("plain numbers", Interpreter(environment, Path(sys.executable)))


def held(a: Contestant, b: Contestant, mode: str = "eager") -> Duelled:
    arms = [one.arm(name, 1, None, 60) for name, one in ((A, a), (A_AGAIN, a), (B, b))]
    task = Task("plain", mode, "forward", (8, 8, 8), 1, "float64", "inference", 0)
    cells = [Cell("one", AXES, task)]
    return duel(arms, OF_A_DUEL, cells, Rules(2e6, 15, 0.1), limit_s=20, crowded=crowded)


def test_a_python_whose_allocator_checks_itself_is_slower_and_that_is_named() -> None:
    a, b = contestant(), contestant(PYTHONMALLOC="debug")
    found = held(a, b)
    assert found.overall is not None and found.repeats >= 4
    ratio, null = (found.overall.found[name].ratio.estimate for name in (RATIO, NULL))
    assert ratio < 0.95 and ratio < null
    ((name, of_a, of_b),) = differing(found.facts[A], found.facts[B])
    assert name == "variables" and "PYTHONMALLOC=debug" in of_b and "PYTHONMALLOC" not in of_a
    (note,) = notes(a.interpreter, b.interpreter)
    assert "under other variables" in note


def test_its_processes_are_gone_when_it_ends() -> None:
    before = {child.pid for child in psutil.Process().children(recursive=True)}
    held(contestant(), contestant())
    assert {child.pid for child in psutil.Process().children(recursive=True)} <= before


def test_a_mode_that_a_framework_lacks_is_unsupported() -> None:
    found = held(contestant(), contestant(), mode="script")
    (row,) = found.rows
    assert row.failed is not None and row.failed.status == "unsupported"
    assert found.overall is None and found.repeats == 1


def test_an_interpreter_that_is_none_is_named(tmp_path: Path) -> None:
    environment = Environment("broken", "plain", str(tmp_path / "python"), (), {})
    broken = Contestant("broken", Interpreter(environment, tmp_path / "python"))
    with pytest.raises(HarnessError, match=r"b \(broken\) does not start: "):
        held(contestant(), broken)
