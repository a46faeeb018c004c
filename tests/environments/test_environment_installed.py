"""An environment that is really made, of a package of a few kilobytes from the index."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.environments import kept
from harness.environments.document import environment_of
from harness.environments.interpreter import create, facts_of
from harness.environments.pythons import find_python

pytestmark = pytest.mark.long


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HARNESS_ENVIRONMENTS", str(tmp_path / "kept"))
    return tmp_path / "kept"


@pytest.mark.parametrize("version", ["3.6", "3.8", "3.11", "3.12", "3.13"])
def test_one_is_made_with_venv_and_pip_and_removed(folder: Path, version: str) -> None:
    if find_python(version) is None:
        pytest.skip(f"no Python {version} here")
    tiny = environment_of("tiny", {"framework": "six", "python": version, "requirements": ["six==1.16.0"]})
    said: list[str] = []
    made = create(tiny, said.append)
    facts = facts_of(tiny)
    assert (facts.short, facts.version) == (version, "1.16.0")
    assert made.python.is_relative_to(folder)
    assert kept.size_of(kept.folder_of(tiny)) > 2**20
    kept.remove(kept.folder_of(tiny))
    assert not [path for path in folder.iterdir() if path.is_dir()]


def test_a_version_that_there_is_not_is_said_in_one_line(folder: Path) -> None:
    none = environment_of("none", {"framework": "six", "requirements": ["six==0.0.999"]})
    with pytest.raises(Exception, match=r"No matching distribution found for six==0\.0\.999"):
        create(none, lambda text: None)
    assert not [path for path in folder.iterdir() if path.is_dir()]
