"""What a framework compiles stays with its environment; what is compiled for an environment decides which one it is."""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path

import pytest

from harness.environments import document, kept, standin, started
from harness.environments.document import Environment, environment_of, named_environment
from harness.environments.driving import variables
from harness.environments.interpreter import NotReady, ready

MADE = environment_of(
    "graphs", {"framework": "pytensor", "python": "3.11", "requirements": "pytensor==2.38.2"}
)


@pytest.mark.parametrize("place", ["kept", "a folder, of mine"])
def test_pytensor_keeps_what_it_compiles_in_the_folder_of_its_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, place: str
) -> None:
    monkeypatch.setenv("HARNESS_ENVIRONMENTS", str(tmp_path / place))
    for found in (started.variables_of(MADE, {}), variables.variables_of(MADE, 1, {})):
        # As it reads them itself: pytensor.configparser.parse_config_string.
        parser = shlex.shlex(found["PYTENSOR_FLAGS"], posix=True)
        parser.whitespace, parser.whitespace_split = ",", True
        (flag,) = list(parser)
        folder = Path(flag.removeprefix("base_compiledir="))
        assert folder.is_relative_to(kept.folder_of(MADE)) and folder != kept.folder_of(MADE)


def test_flags_that_somebody_has_set_stay_and_a_folder_among_them_holds(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HARNESS_ENVIRONMENTS", str(tmp_path))
    found = variables.variables_of(MADE, 1, {"PYTENSOR_FLAGS": "optimizer_verbose=True"})["PYTENSOR_FLAGS"]
    assert found.startswith("optimizer_verbose=True,base_compiledir=")
    own = {"PYTENSOR_FLAGS": "base_compiledir=/mine"}
    assert variables.variables_of(MADE, 1, own)["PYTENSOR_FLAGS"] == "base_compiledir=/mine"
    described = replace(MADE, variables=own)
    assert variables.variables_of(described, 1, {})["PYTENSOR_FLAGS"] == "base_compiledir=/mine"


@pytest.mark.parametrize("other", [{"requirements": ()}, {"framework": "jax"}])
def test_what_is_not_made_or_compiles_nothing_is_told_nothing(other: dict[str, object]) -> None:
    environment: Environment = replace(MADE, **other)  # type: ignore[arg-type]
    assert "PYTENSOR_FLAGS" not in started.variables_of(environment, {})


def test_another_source_of_a_stand_in_is_another_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HARNESS_ENVIRONMENTS", str(tmp_path / "kept"))
    cntk, before = named_environment("cntk"), {name: each() for name, each in _FOLDERS.items()}
    folder = kept.folder_of(cntk)
    kept.make_root()
    folder.mkdir()
    kept.write_mark(folder, cntk, python="3.6.15", complete=True)
    (tmp_path / "sources").mkdir()
    source = (standin.SOURCES / "mpi.c").read_bytes()
    (tmp_path / "sources" / "mpi.c").write_bytes(source)
    monkeypatch.setattr(standin, "SOURCES", tmp_path / "sources")
    assert kept.folder_of(cntk) == folder
    (tmp_path / "sources" / "mpi.c").write_bytes(source + b"\n/* changed */\n")
    assert kept.folder_of(cntk) != folder
    with pytest.raises(NotReady, match="not created"):
        ready(cntk)
    # What it was made of before is still known, and can be removed.
    assert [each.folder for each in kept.found_there()] == [folder]
    assert {name: each() for name, each in _FOLDERS.items()} == before


_FOLDERS = {
    name: lambda name=name: kept.folder_of(named_environment(name))  # type: ignore[misc]
    for name in document.names()
    if not named_environment(name).stand_ins and named_environment(name).is_made
}
