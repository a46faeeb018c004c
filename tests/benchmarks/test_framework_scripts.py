"""A driver beside a plain script of its framework: both are started, and take turns."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import frameworks
from harness.environments.document import Environment
from harness.environments.frameworks import FRAMEWORKS
from harness.environments.interpreter import Interpreter

PLAIN = Environment("p", "plain", sys.executable, (), {})
SIZES = [16, 8, 2]


def test_every_framework_has_a_script_with_all_of_its_modes() -> None:
    for framework in FRAMEWORKS.values():
        text = (frameworks.SCRIPTS / f"in_{framework.name}.py").read_text()
        for mode in framework.modes:
            assert (framework.name, mode) in frameworks.WITHOUT_SCRIPT or f'"{mode}"' in text, mode


def test_both_answer_what_a_step_takes() -> None:
    task = frameworks.task_of(PLAIN, "eager", SIZES, 1)
    ours, theirs, ratio = frameworks.pair(Interpreter(PLAIN, Path(sys.executable)), task, blocks=4, seed=0)
    # The same loops over the same lists: a factor of two between them would be a fault of the protocol.
    assert ours > 0 and theirs > 0 and 0.5 < ratio < 2


def test_a_script_that_ends_is_said_to() -> None:
    task = frameworks.task_of(PLAIN, "no-such-mode", SIZES, 1)
    with pytest.raises(RuntimeError, match="the plain script ended: 2"):
        frameworks.Script(Interpreter(PLAIN, Path(sys.executable)), task.mode, task, [0])


def test_what_a_framework_prints_is_no_answer() -> None:
    program = (
        "import sys; sys.argv[1:] = ['--mode', 'a', '--sizes', '2', '2', '--batch', '1']\n"
        "from benchmarks.beside.frameworks.asked import options, serve\n"
        "options(['a']); serve(lambda: print('chatter'))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": str(frameworks.ROOT)},
        input="1 3\n",
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    ready, answer = done.stdout.splitlines()
    assert ready == "ready" and float(answer) > 0
