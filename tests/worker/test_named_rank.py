"""Whose exception it is: named before each of its lines, until torch does so."""

from __future__ import annotations

import os
import subprocess
import sys

from running import python_path

DIES = "raise RuntimeError('first line\\nsecond line') from KeyError('why')"


def last_words(code: str) -> list[str]:
    """What a process that runs the code says before it dies, line by line."""
    ended = subprocess.run(
        [sys.executable, "-c", f"from harness.worker.named_rank import name_rank, unname_rank\n{code}"],
        env={**os.environ, "PYTHONPATH": python_path()},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ended.returncode == 1
    return ended.stderr.splitlines()


def test_each_line_of_an_exception_begins_with_the_rank() -> None:
    lines = last_words(f"name_rank(12)\n{DIES}")
    assert all(line.startswith("[rank12]: ") for line in lines)
    assert [line.removeprefix("[rank12]: ") for line in lines[-2:]] == [
        "RuntimeError: first line",
        "second line",
    ]
    assert any("KeyError: 'why'" in line for line in lines), "of chained exceptions, all are told"


def test_a_rank_that_is_named_by_torch_is_not_named_twice() -> None:
    assert not any("[rank" in line for line in last_words(f"name_rank(12)\nunname_rank()\n{DIES}"))


def test_naming_a_rank_does_not_wait_for_torch() -> None:
    before = "import sys\nassert 'torch' not in sys.modules\nname_rank(0)\n"
    assert last_words(before + DIES)[-1] == "[rank0]: second line"
