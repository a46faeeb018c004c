"""Processes of different sessions are laid out differently, and of the same one alike."""

from __future__ import annotations

import subprocess
import sys

from harness.launch.layout import LARGEST_HASH_SEED, PADDING, PAGE, layout_variables


def test_sessions_differ_in_hashes_and_in_where_the_stack_begins() -> None:
    drawn = [layout_variables(draw) for draw in range(20)]
    assert len({each["PYTHONHASHSEED"] for each in drawn}) == 20
    assert len({len(each[PADDING]) for each in drawn}) > 10
    assert all(len(each[PADDING]) < PAGE for each in drawn)
    assert all(0 <= int(each["PYTHONHASHSEED"]) <= LARGEST_HASH_SEED for each in drawn)


def test_a_session_can_be_made_again_as_it_was() -> None:
    assert layout_variables(3) == layout_variables(3) != layout_variables(4)


def test_python_takes_them() -> None:
    hashes = {
        subprocess.run(
            [sys.executable, "-c", "print(hash('word'))"],
            env=layout_variables(draw),
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for draw in (1, 2)
    }
    assert len(hashes) == 2
