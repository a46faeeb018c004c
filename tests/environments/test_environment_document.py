"""An environment is described by a few keys, each of which is checked before anything is made."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import pytest
from running import TESTS

from harness.core.errors import ConfigError
from harness.environments.document import HERE, environment_of, named_environment, names


def refused(given: Any, name: str = "mine") -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        environment_of(name, given)
    assert "\n" not in str(caught.value)
    return caught.value


@pytest.mark.parametrize("name", names())
def test_every_one_that_is_bundled_is_allowed(name: str) -> None:
    environment = named_environment(name)
    assert environment.name == name
    assert environment.is_made
    # What a name says of its version is so.
    if "-" not in name:
        assert environment.framework == name
        return
    kind, version, *build = name.split("-")
    if kind == "python":
        assert environment.python == version
    else:
        assert environment.requirements[0].startswith(f"{kind}=={version}.")
        assert environment.requirements[0].partition("+")[2] == "".join(build)


def test_environments_for_another_python_have_the_torch_that_the_harness_is_pinned_to() -> None:
    pinned = re.search(r"^torch==.*$", (TESTS.parent / "requirements.txt").read_text(), re.MULTILINE)
    assert pinned
    for name in names():
        if name.startswith("python-"):
            assert named_environment(name).requirements == (pinned[0],)


def test_a_name_that_there_is_not_is_refused_with_the_nearest() -> None:
    for name, near in (("torch-2.133", "torch-2.13"), ("Python-3.12", "python-3.12")):
        with pytest.raises(ConfigError, match=re.escape(f"(the nearest: {near})")):
            named_environment(name)


@pytest.mark.parametrize("name", ["../torch-2.13", "/etc/passwd", "emulator/none", ""])
def test_a_name_is_no_path(name: str) -> None:
    with pytest.raises(ConfigError):
        named_environment(name)


def test_here_is_the_harness_s_own_and_nothing_else_is_called_so() -> None:
    assert named_environment("here") == HERE
    assert HERE.python == sys.executable
    assert refused({"python": "/usr/bin/python3"}, "here").key == "environment"


def test_one_that_is_there_already_is_one_line() -> None:
    mine = environment_of("mine", {"python": "/opt/mine/bin/python"})
    assert (mine.python, mine.framework, mine.requirements) == ("/opt/mine/bin/python", "torch", ())
    assert not mine.is_made


def test_a_relative_path_is_made_absolute_and_a_link_is_not_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "venv").mkdir()
    (tmp_path / "venv" / "python").symlink_to(sys.executable)
    assert environment_of("mine", {"python": "venv/python"}).python == str(tmp_path / "venv" / "python")


def test_requirements_alone_are_installed_under_the_harness_s_own_version() -> None:
    made = environment_of("a", {"requirements": "torch == 2.13.0"})
    assert (made.requirements, made.python) == (("torch==2.13.0",), f"3.{sys.version_info.minor}")
    assert made.is_made


@pytest.mark.parametrize(
    "line",
    ["torch==2.13.0+cpu", "jax[cuda12]==0.5.1", "torch==2.14.0.dev20260101", "numpy==2.0rc1", "a==1!2.0"],
)
def test_what_pins_one_version_is_a_requirement(line: str) -> None:
    assert environment_of("a", {"requirements": [line]}).requirements == (line,)


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("--index-url=https://elsewhere", "no options"),
        ("-r more.txt", "no options"),
        ("-e .", "no options"),
        ("torch==2.13.0 --hash=sha256:0", "no options"),
        ("torch @ https://elsewhere/torch.whl", "no addresses"),
        ("git+https://elsewhere/torch", "no addresses"),
        ("./torch", "no addresses"),
        ("../../torch.whl", "no addresses"),
        ("torch", "one version"),
        ("torch>=2", "one version"),
        ("torch==2.*", "one version"),
        ("torch===2", "one version"),
        ("torch==2.13.0,<3", "one version"),
        ("torch==2.13.0; python_version > '3.6'", "no markers"),
        ("torch==2.13.0\n--pre", "no options"),
        ("", "one version"),
        ("t" * 300 + "==1", "at most 200"),
    ],
)
def test_a_requirement_with_options_or_addresses_or_without_its_version_is_refused(
    line: str, why: str
) -> None:
    error = refused({"requirements": ["six==1.16.0", line]})
    assert error.key == "environment.mine.requirements"
    assert why in str(error)


@pytest.mark.parametrize(
    ("given", "key"),
    [
        ({}, "environment.mine.python"),
        ({"python": 3.1}, "environment.mine.python"),  # what 3.10 is without quotes
        ({"python": "3.5"}, "environment.mine.python"),
        ({"python": "3.15"}, "environment.mine.python"),
        ({"python": "2.7"}, "environment.mine.python"),
        ({"python": "python3"}, "environment.mine.python"),
        ({"python": 3}, "environment.mine.python"),
        ({"python": ["/usr/bin/python3"]}, "environment.mine.python"),
        ({"python": "/usr/bin/\x1b[2Jpython"}, "environment.mine.python"),
        ({"python": "~nobody-is-called-so/bin/python"}, "environment.mine.python"),
        ({"pyhton": "/usr/bin/python3"}, "environment.mine.pyhton"),
        ({"python": "3.12", "framework": "torch.nn"}, "environment.mine.framework"),
        ({"python": "3.12", "framework": 3}, "environment.mine.framework"),
        ({"python": "3.12", "requirements": {"torch": "2.13"}}, "environment.mine.requirements"),
        ({"python": "3.12", "requirements": [2.13]}, "environment.mine.requirements"),
        ({"python": "3.12", "variables": ["A=1"]}, "environment.mine.variables"),
        ({"python": "3.12", "variables": {"A B": "1"}}, "environment.mine.variables.A B"),
        ({"python": "3.12", "variables": {"A": True}}, "environment.mine.variables.A"),
        ({"python": "3.12", "variables": {"A": "1\0"}}, "environment.mine.variables.A"),
        ({"python": "3.12", "index": "--extra-index-url"}, "environment.mine.index"),
        ({"python": "3.12", "index": "https://a b"}, "environment.mine.index"),
        ({"python": "3.12", "index": "relative"}, "environment.mine.index"),
        (
            {"requirements": "six==1.16.0", "build_requires": ["setuptools<60"]},
            "environment.mine.build_requires",
        ),
        ({"requirements": "six==1.16.0", "build_requires": ["--pre"]}, "environment.mine.build_requires"),
        ({"python": "3.12", "build_requires": ["wheel==0.45.1"]}, "environment.mine.build_requires"),
        ({"requirements": "six==1.16.0", "stand_ins": ["cuda"]}, "environment.mine.stand_ins"),
        ({"requirements": "six==1.16.0", "stand_ins": [["mpi"]]}, "environment.mine.stand_ins"),
        ({"requirements": "six==1.16.0", "stand_ins": {"mpi": 1}}, "environment.mine.stand_ins"),
        ({"python": "3.12", "stand_ins": "mpi"}, "environment.mine.stand_ins"),
        ("/usr/bin/python3", "environment.mine"),
        (None, "environment.mine"),
    ],
)
def test_what_is_wrong_is_refused_with_its_key(given: Any, key: str) -> None:
    assert refused(given).key == key


def test_a_key_that_there_is_not_is_refused_with_the_nearest() -> None:
    assert "the nearest: python" in str(refused({"pyhton": "/usr/bin/python3"}))


@pytest.mark.parametrize("name", ["", ".hidden", "-x", "a/b", "a b", "ä", "x" * 65, "a\n"])
def test_a_name_names_a_folder(name: str) -> None:
    assert refused({"python": "/usr/bin/python3"}, name).key == "environment"


def test_numbers_among_variables_are_texts() -> None:
    variables = environment_of("a", {"python": "3.12", "variables": {"OMP_NUM_THREADS": 1}}).variables
    assert variables == {"OMP_NUM_THREADS": "1"}


def test_a_version_without_quotes_is_taken_where_it_can_only_mean_one() -> None:
    assert environment_of("a", {"python": 3.12}).python == "3.12"
    assert "quotes" in str(refused({"python": 3.1}))
