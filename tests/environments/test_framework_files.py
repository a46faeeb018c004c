"""What a framework does stands in a file of its name: how a driver finds it, and what it says where it cannot."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from harness.core.files.places import PACKAGE
from harness.environments.document import HERE, Environment
from harness.environments.driving import Driver, DriverError, Task, driver
from harness.environments.interpreter import Interpreter
from harness.environments.pythons import find_python

FILES = sorted((PACKAGE / "environments" / "driving" / "frameworks").glob("[!_]*.py"))
SIZES, BATCH = (6, 5, 3), 2


def task(framework: str, mode: str = "eager", workload: str = "forward") -> Task:
    return Task(framework, mode, workload, SIZES, BATCH, "float32", "inference", 7)


def started(framework: str, **variables: str) -> Driver:
    environment = Environment("there", framework, sys.executable, (), variables)
    return Driver(Interpreter(environment, Path(sys.executable)), timeout_s=120)


@pytest.fixture(scope="module")
def torch() -> Iterator[Driver]:
    found = Driver(Interpreter(HERE, Path(sys.executable)), timeout_s=120)
    yield found
    found.close()


def test_plain_numbers_are_those_of_torch(torch: Driver) -> None:
    plain = started("plain")
    try:
        (ours,), (theirs,) = plain.prepare(task("plain")), torch.prepare(task("torch"))
    finally:
        plain.close()
    assert len(ours) == SIZES[-1] * BATCH and ours == pytest.approx(theirs, rel=1e-4, abs=1e-5)


def test_a_framework_of_which_there_is_no_file_is_unsupported() -> None:
    with pytest.raises(DriverError, match="no framework that is measured: theano") as found:
        started("theano")
    assert found.value.status == "unsupported"


@pytest.mark.parametrize("name", ["../driver", "__init__", "torch/../plain", "", "torch.py"])
def test_the_name_of_a_framework_is_no_path(name: str) -> None:
    with pytest.raises(driver.Unsupported, match="no framework"):
        driver.framework_of(name)


@pytest.mark.parametrize("framework", ["jax", "tensorflow", "keras"])
def test_one_that_is_not_installed_or_breaks_at_its_import_says_so(framework: str, tmp_path: Path) -> None:
    needed = "tensorflow" if framework == "keras" else framework
    (tmp_path / f"{needed}.py").write_text("raise ImportError('libsomething.so.7: cannot open')\n")
    with pytest.raises(DriverError, match="libsomething") as found:
        started(framework, PYTHONPATH=str(tmp_path))
    assert found.value.status == "failed"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_framework_s_file_imports_python_s_own_modules_and_the_driver_s_words_alone(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    found |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {name for name in found if name.partition(".")[0] not in sys.stdlib_module_names} == {
        driver.OWN_NAME
    }


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_framework_s_file_can_be_read_by_python_3_6(path: Path) -> None:
    oldest = find_python("3.6")
    if oldest is None:
        pytest.skip("no Python 3.6 here")
    reads = "import sys; compile(open(sys.argv[1], encoding='utf-8').read(), sys.argv[1], 'exec')"
    done = subprocess.run([oldest, "-c", reads, path], capture_output=True, text=True)
    assert not done.returncode, done.stderr


@pytest.mark.parametrize("mode", ["symbolic", "script", "trace", "frozen"])
def test_a_program_that_was_saved_and_loaded_again_answers_the_same(
    torch: Driver, tmp_path: Path, mode: str
) -> None:
    (outcome,) = torch.prepare(task("torch", mode))
    saved = torch.serialised(tmp_path)
    assert saved.outcome[0] == pytest.approx(outcome, rel=1e-5, abs=1e-6)
    assert saved.format in ("torch.jit.save", "torch.export.save")
    assert saved.bytes == sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file()) > 0
    assert saved.save_s > 0 and saved.load_s > 0


@pytest.mark.parametrize(
    ("mode", "workload", "why"),
    [("eager", "forward", "its program is its source"), ("script", "train", "nothing that could be saved")],
)
def test_what_cannot_be_saved_is_unsupported_with_its_reason(
    torch: Driver, tmp_path: Path, mode: str, workload: str, why: str
) -> None:
    torch.prepare(task("torch", mode, workload))
    with pytest.raises(DriverError, match=why) as found:
        torch.serialised(tmp_path)
    assert found.value.status == "unsupported" and torch.alive


def test_a_folder_that_cannot_be_written_is_a_failure_and_the_driver_lives(
    torch: Driver, tmp_path: Path
) -> None:
    torch.prepare(task("torch", "script"))
    with pytest.raises(DriverError) as found:
        torch.serialised(tmp_path / "not" / "there")
    assert found.value.status == "failed"
    assert torch.block(2, 0) > 0


def test_weights_of_8_bytes_keep_them(torch: Driver) -> None:
    """What is compared in float64 would else differ by the rounding of 4 bytes, whatever the framework."""
    plain = started("plain")
    wide = replace(task("plain"), dtype="float64")
    try:
        (ours,), (theirs,) = plain.prepare(wide), torch.prepare(replace(wide, framework="torch"))
    finally:
        plain.close()
    assert ours == pytest.approx(theirs, rel=1e-12, abs=1e-13)
