"""A framework that is not there, or whose import fails, is a reason in one line."""

from __future__ import annotations

from pathlib import Path

import pytest
from other_pythons import Open, interpreter

from harness.environments.driving.task import DriverError

# Driven by files of this name; none of them is installed where the harness's own tests run.
FRAMEWORKS = ("pytensor", "mxnet", "chainer", "cntk")


def broken(folder: Path, framework: str, text: str) -> str:
    """A folder for PYTHONPATH in which the framework is this text."""
    (folder / f"{framework}.py").write_text(text)
    return str(folder)


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_one_that_is_not_installed_is_said(opened: Open, tmp_path: Path, framework: str) -> None:
    # Whatever is installed here: this is found first, and says what Python says where there is none.
    gone = broken(tmp_path, framework, f"raise ModuleNotFoundError(\"No module named '{framework}'\")")
    with pytest.raises(DriverError) as caught:
        opened(interpreter(framework, PYTHONPATH=gone))
    assert caught.value.status == "failed"
    assert f"No module named '{framework}'" in str(caught.value)


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_one_whose_import_fails_is_said_in_one_line(opened: Open, tmp_path: Path, framework: str) -> None:
    text = "raise ImportError('libgone.so.1: cannot open shared object file\\nand more')"
    with pytest.raises(DriverError, match=r"libgone\.so\.1: cannot open shared object file") as caught:
        opened(interpreter(framework, PYTHONPATH=broken(tmp_path, framework, text)))
    assert "\n" not in str(caught.value)


def test_one_whose_import_ends_the_process_is_said(opened: Open, tmp_path: Path) -> None:
    """As a library does that was built for another processor."""
    text = "import os, signal\nos.kill(os.getpid(), signal.SIGILL)"
    with pytest.raises(DriverError, match=r"SIGILL|signal 4"):
        opened(interpreter("mxnet", PYTHONPATH=broken(tmp_path, "mxnet", text)))
