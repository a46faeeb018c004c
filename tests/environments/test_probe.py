"""Every Python says what it is, and whether it has the framework."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from harness.environments.asked import DoesNotRun, ask_facts
from harness.environments.document import environment_of
from harness.environments.pythons import find_python
from harness.environments.started import variables_of

VERSIONS = [f"3.{minor}" for minor in range(6, 15)]


def module(folder: Path, name: str, text: str) -> dict[str, str]:
    """Variables under which a module of this text is found."""
    (folder / f"{name}.py").write_text(text)
    return {**os.environ, "PYTHONPATH": str(folder)}


@pytest.mark.parametrize("version", VERSIONS)
def test_each_python_of_this_machine_says_what_it_is(version: str, tmp_path: Path) -> None:
    python = find_python(version)
    if python is None:
        pytest.skip(f"no Python {version} here")
    variables = module(tmp_path, "tiny_framework", "__version__ = '1.2'\nclass version:\n    cuda = None\n")
    facts = ask_facts(python, "tiny_framework", variables, importing=True)
    assert facts.short == version
    assert (facts.found, facts.version, facts.build, facts.error) == (True, "1.2", "CPU", "")
    absent = ask_facts(python, "no_such_framework", variables, importing=True)
    assert not absent.found


@pytest.mark.parametrize(
    ("text", "build"),
    [
        ("__version__ = '2'\nclass version:\n    cuda = '13.0'\n    hip = None", "CUDA 13.0"),
        ("__version__ = '2'\nclass version:\n    cuda = None\n    hip = '6.2'", "ROCm 6.2"),
        ("__version__ = '2'\nversion = '2'", ""),
    ],
)
def test_a_cpu_and_a_cuda_build_of_one_version_are_told_apart(tmp_path: Path, text: str, build: str) -> None:
    facts = ask_facts(Path(sys.executable), "built", module(tmp_path, "built", text), importing=True)
    assert (facts.version, facts.build) == ("2", build)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("import no_such_module", "no_such_module"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("raise RuntimeError('first\\nsecond')", "RuntimeError: first"),
        ("def broken(:", "SyntaxError"),
    ],
)
def test_a_broken_import_is_an_error_in_one_line(tmp_path: Path, text: str, error: str) -> None:
    facts = ask_facts(Path(sys.executable), "broken", module(tmp_path, "broken", text), importing=True)
    assert facts.found
    assert error in facts.error
    assert "\n" not in facts.error


def test_what_is_found_is_not_imported_unless_that_is_asked_for(tmp_path: Path) -> None:
    variables = module(tmp_path, "slow", "raise RuntimeError('imported')")
    facts = ask_facts(Path(sys.executable), "slow", variables, importing=False)
    assert facts.found and not facts.error


def test_a_framework_that_prints_or_waits_in_the_end_harms_nothing(tmp_path: Path) -> None:
    text = """
import threading, time
print("@@ hello", end="")
threading.Thread(target=time.sleep, args=(600,)).start()
__version__ = "1"
"""
    facts = ask_facts(Path(sys.executable), "talks", module(tmp_path, "talks", text), importing=True)
    assert facts.version == "1"


def test_one_that_does_not_answer_is_given_up(tmp_path: Path) -> None:
    variables = module(tmp_path, "hangs", "import time; time.sleep(600)")
    with pytest.raises(DoesNotRun, match="did not answer"):
        ask_facts(Path(sys.executable), "hangs", variables, importing=True, timeout_s=2)


def test_nothing_of_the_current_directory_is_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("json", "platform", "tiny_framework"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('executed')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", ".:")
    other = environment_of("other", {"python": sys.executable})
    facts = ask_facts(Path(sys.executable), "tiny_framework", variables_of(other), importing=True)
    assert not facts.found


def test_nothing_that_lies_beside_the_probe_is_a_framework() -> None:
    variables = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    assert not ask_facts(Path(sys.executable), "kept", variables, importing=False).found


def test_variables_of_this_python_are_not_another_one_s(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV"):
        monkeypatch.setenv(name, "/mine")
    monkeypatch.setenv("KEPT", "1")
    other = environment_of("other", {"python": "3.12", "variables": {"OWN": "2"}})
    variables = variables_of(other)
    assert not {"PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV"} & set(variables)
    assert (variables["KEPT"], variables["OWN"]) == ("1", "2")
