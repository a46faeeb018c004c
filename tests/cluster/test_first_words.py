"""What was wrong on a node, in the first line that says so."""

from __future__ import annotations

import pytest

from harness.cluster.first_words import first_words

ENDED = ["srun: error: n1: task 0: Exited with exit code 2", "srun: Terminating StepId=3.0"]
EXECVE = "execve(): /x/python: No such file or directory"
CHDIR = "couldn't chdir to `/x': No such file or directory: going to /tmp instead"
MISSING = "/x/python: line 3: apptainer: command not found"
BUSY = "Unable to create step for job 3: Requested nodes are busy"
TRACEBACK = [
    "Traceback (most recent call last):",
    '  File "x.py", line 1, in <module>',
    "ImportError: libx.so.1",
]


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ([f"slurmstepd: error: {EXECVE}", *ENDED], EXECVE),
        ([*ENDED, f"slurmstepd: error: {CHDIR}"], CHDIR),
        ([*TRACEBACK, *ENDED], "ImportError: libx.so.1"),
        ([MISSING, *ENDED], MISSING),
        ([f"srun: error: {BUSY}", *ENDED], BUSY),
        (ENDED, None),
        ([], None),
    ],
)
def test_the_first_line_that_is_no_consequence(lines: list[str], said: str | None) -> None:
    assert first_words(lines) == said
