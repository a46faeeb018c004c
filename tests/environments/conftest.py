"""A folder of environments, and a Python on PATH, of a test's own."""

from __future__ import annotations

from pathlib import Path

import pytest
from fake_pythons import FakePython

from harness.environments.document import Environment, environment_of


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where environments are kept. No other interpreter than a test's own is found."""
    monkeypatch.setenv("HARNESS_ENVIRONMENTS", str(tmp_path / "kept"))
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path / "pyenv"))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    return tmp_path / "kept"


@pytest.fixture
def fake(folder: Path, tmp_path: Path) -> FakePython:
    """python3.14 on PATH."""
    return FakePython(tmp_path / "bin").written()


@pytest.fixture
def described() -> Environment:
    return environment_of("other", {"python": "3.14", "requirements": ["torch==2.13.0"]})
