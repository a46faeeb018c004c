"""What lies in the directory that one works in is not executed: not by the command, nor by any process it starts."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from hostile import LAID, SWEEP, small_run
from running import TESTS, command, environment, one_quick, python_path

from harness.core.processes.children import path_variables, python_module

# Of Python's own, of packages, and of ours: whatever any process of a sweep imports after its start.
NAMES = (
    *(
        "random",
        "json",
        "runpy",
        "pathlib",
        "argparse",
        "signal",
        "selectors",
        "socket",
        "tempfile",
        "typing",
    ),
    *(
        "numpy",
        "torch",
        "psutil",
        "yaml",
        "pandas",
        "rich",
        "msgspec",
        "pynvml",
        "hydra",
        "matplotlib",
        "triton",
        "vl_convert",
    ),
    *("sitecustomize", "usercustomize", "emulator", "ground", "benchmarks"),
)
EVIL = "import os\nopen(os.environ['PWNED'], 'a').write(__file__ + '\\n')\n"


@pytest.fixture
def hostile(tmp_path: Path) -> Path:
    folder = tmp_path / "hostile"
    folder.mkdir()
    for name in NAMES:
        (folder / f"{name}.py").write_text(EVIL)
    (folder / "harness").mkdir()
    (folder / "harness" / "__init__.py").write_text(EVIL)
    (folder / "hydra_plugins").mkdir()
    (folder / "hydra_plugins" / "evil.py").write_text(EVIL)
    (folder / "backend.py").write_text(EVIL)
    (folder / "matplotlibrc").write_text("backend: module://backend\n")
    return folder


def as_installed(hostile: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """The command as an installation makes it: a script, for which Python does not look where one stands."""
    script = "import sys; from harness.commands.cli import main; sys.exit(main())"
    (hostile.parent / "bin").mkdir(exist_ok=True)
    (hostile.parent / "bin" / "harness").write_text(script)
    return subprocess.run(
        [sys.executable, str(hostile.parent / "bin" / "harness"), *arguments],
        cwd=hostile,
        env={**environment(), "PWNED": str(hostile.parent / "pwned"), **variables},
        capture_output=True,
        text=True,
        timeout=240,
    )


def assert_innocent(hostile: Path, done: subprocess.CompletedProcess[str]) -> None:
    pwned = hostile.parent / "pwned"
    assert not pwned.exists(), pwned.read_text()
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("doctor",),
        ("--help",),
        ("environment", "list"),
        pytest.param(("sweep", *SWEEP, "out=run"), marks=pytest.mark.long),
    ],
    ids=lambda a: a[0],
)
def test_no_command_runs_any_of_it(hostile: Path, arguments: tuple[str, ...]) -> None:
    assert_innocent(hostile, as_installed(hostile, *arguments))


def test_a_report_runs_none_of_it(hostile: Path) -> None:
    small_run(hostile / "run")
    assert_innocent(hostile, as_installed(hostile, "report", "run"))


@pytest.mark.parametrize("what", one_quick("a FIFO", "an endless device"))
def test_settings_for_figures_are_not_read_there(hostile: Path, what: str) -> None:
    """matplotlib would, when it is imported."""
    (hostile / "matplotlibrc").unlink()
    LAID[what](hostile / "matplotlibrc", hostile)
    small_run(hostile / "run")
    assert_innocent(hostile, as_installed(hostile, "report", "run"))


def test_a_library_below_a_relative_entry_of_the_path_is_not_loaded(tmp_path: Path) -> None:
    """An editable installation leaves such an entry, and torch looks for CUDA's libraries in every one."""
    code = "import sys; print([entry for entry in sys.path if not entry.startswith('/')])"
    (tmp_path / "probe_of_test.py").write_text(code)
    (tmp_path / "sitecustomize.py").write_text("import sys; sys.path.append('__editable__.x.__path_hook__')")
    done = subprocess.run(
        python_module("probe_of_test"), env={"PYTHONPATH": str(tmp_path)}, capture_output=True, text=True
    )
    assert done.stdout.strip() == "[]", done.stderr
    from harness.commands.cli import main

    sys.path.append("__editable__.x.__path_hook__")
    with pytest.raises(SystemExit):
        main(["--help"])
    assert "__editable__.x.__path_hook__" not in sys.path


def test_a_module_of_the_current_directory_replaces_none(hostile: Path) -> None:
    """It is looked for there where `model.target` names it, and after all else: Python's own and installed ones win."""
    (hostile / "users_own.py").write_text(
        "import torch\ndef build(): return torch.nn.Linear(2, 2)\ndef inputs(batch): return torch.zeros(batch, 2)\n"
    )
    named = ["model.target=users_own:build", "model.inputs=users_own:inputs"]
    done = as_installed(hostile, "sweep", "model=custom", *named, "devices=[1]", "dry_run=true")
    assert_innocent(hostile, done)
    assert "users_own:build" in done.stdout


@pytest.mark.long
def test_compilers_in_ranks_run_none_of_it_where_a_model_is_named(hostile: Path) -> None:
    """They start children of their own, with all that is on the path of the rank."""
    (hostile / "users_own.py").write_text(
        "import torch\ndef build(): return torch.nn.Linear(2, 2)\ndef inputs(batch): return torch.zeros(batch, 2)\n"
    )
    named = ["model.target=users_own:build", "model.inputs=users_own:inputs", "mode=[eager,compile]"]
    small = ["devices=[1]", "batch=[1]", "timing=quick", "monitor=none", f"out={hostile.parent / 'run'}"]
    done = as_installed(hostile, "sweep", "model=custom", *named, *small)
    assert_innocent(hostile, done)
    assert (pd.read_csv(hostile.parent / "run" / "points.csv")["status"] == "ok").all()


@pytest.mark.long
def test_a_diagnosis_runs_what_is_named_alone(hostile: Path) -> None:
    (hostile / "users_own.py").write_text(
        "import torch\ndef build(): return torch.nn.Linear(2, 2)\ndef inputs(batch): return torch.zeros(batch, 2)\n"
    )
    done = as_installed(hostile, "diagnose", "users_own:build", "--device", "cpu", "--minutes", "0.1")
    assert_innocent(hostile, done)
    assert "users_own:build: " in done.stdout


@pytest.mark.long
def test_going_on_within_a_run_directory_runs_none_of_it(hostile: Path) -> None:
    done = as_installed(hostile, "sweep", *SWEEP, f"out={hostile.parent / 'run'}")
    assert_innocent(hostile, done)
    for path in hostile.iterdir():
        shutil.move(path, hostile.parent / "run" / path.name)
    for path in (hostile.parent / "run" / "raw").glob("*rank*"):
        path.unlink()
    inside = hostile.parent / "run"
    done = as_installed(inside, "sweep", "resume=.")
    assert_innocent(inside, done)
    assert list((inside / "raw").glob("*rank*"))


def test_an_export_runs_none_of_it(hostile: Path) -> None:
    done = as_installed(hostile, "export", "depth=2", "width=8", "--mode", "script", "--out", "model.pt")
    assert_innocent(hostile, done)


@pytest.mark.long
def test_ranks_run_the_harness_that_started_them_and_not_a_checkout_that_one_stands_in(
    tmp_path: Path,
) -> None:
    """Else environment.json would name the sources of one, and the rows would be of the other."""
    other = tmp_path / "checkout"
    for package in ("harness", "emulator", "ground", "conf", "native"):
        shutil.copytree(TESTS.parent / package, other / package, ignore=shutil.ignore_patterns("__pycache__"))
    worker = other / "harness" / "worker" / "__main__.py"
    worker.write_text(
        worker.read_text().replace("def main(", "raise SystemExit('the other harness')\ndef main(", 1)
    )
    done = as_installed(other, "sweep", *SWEEP, "out=run")
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_rank_of_another_revision_refuses_to_measure(tmp_path: Path) -> None:
    """However it came to run: sources that were changed while a sweep runs, too."""
    from dataclasses import replace

    from harness.core.files.revision import revision
    from harness.plan.config import TimingConfig
    from harness.session.spec import SessionSpec

    spec = SessionSpec(
        *("s", 0, (), (), "processes", 1, "cpu", 1, False, False, 0.0, 0),
        *(TimingConfig(), (), tmp_path / "raw"),
        store=None,
        revision=revision(),
    )
    replace(spec, revision="000000000000").save(tmp_path / "session.json")
    done = subprocess.run(
        python_module("harness.worker", str(tmp_path / "session.json")),
        env={**os.environ, **path_variables(), "RANK": "0", "LOCAL_RANK": "0", "LOCAL_WORLD_SIZE": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode != 0
    assert "started by another harness (000000000000)" in done.stderr
    assert not list(tmp_path.glob("raw*"))


@pytest.mark.long
def test_a_checkout_serves_without_an_installation(tmp_path: Path) -> None:
    """As gpu-check has it on a machine that lacks one: PYTHONPATH=. from the checkout."""
    for package in ("harness", "emulator", "ground", "conf", "native"):
        shutil.copytree(
            TESTS.parent / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__")
        )
    marked = tmp_path / "harness" / "worker" / "__main__.py"
    marked.write_text(marked.read_text() + "\n# another revision than the installed one\n")
    done = subprocess.run(
        command("sweep", *SWEEP, "out=run"),
        cwd=tmp_path,
        env={**environment(), "PYTHONPATH": "."},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr


class TestPath:
    def test_an_empty_part_is_dropped_and_a_relative_one_keeps_its_meaning(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        given = os.pathsep.join(["", "mine", "/others", "", "."])
        found = path_variables({"PYTHONPATH": given})
        assert found["PYTHONPATH"].split(os.pathsep) == [str(tmp_path / "mine"), "/others", str(tmp_path)]
        assert found["PYTHONSAFEPATH"] == "1"
        assert path_variables({})["PYTHONPATH"] == ""

    @pytest.mark.parametrize("version", ["3.10", "3.11", "3.13"])
    def test_no_version_of_python_looks_where_it_stands(self, tmp_path: Path, version: str) -> None:
        """`-P` and PYTHONSAFEPATH came with 3.11: none of the two is needed."""
        python = _python(version)
        (tmp_path / "random.py").write_text("raise SystemExit('executed')")
        (tmp_path / "harness.py").write_text("raise SystemExit('executed')")
        probe = tmp_path / "elsewhere" / "whoami.py"
        probe.parent.mkdir()
        probe.write_text("import random, harness, sys; print(harness.__file__, sys.argv[1:], __name__)")
        words = python_module("whoami", "a b")
        done = subprocess.run(
            [python, *words[1:]],
            cwd=tmp_path,
            env={"PYTHONPATH": str(probe.parent)},
            capture_output=True,
            text=True,
        )
        assert done.stdout.split() == [
            str(TESTS.parent / "harness" / "__init__.py"),
            "['a",
            "b']",
            "__main__",
        ], done.stderr

    def test_what_stands_beside_the_packages_does_not_hide_pythons_own(self, tmp_path: Path) -> None:
        """In site-packages there may be anything, a backport of a module of Python's say."""
        for package in ("harness", "emulator", "ground"):
            shutil.copytree(
                TESTS.parent / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__")
            )
        (tmp_path / "random.py").write_text("raise SystemExit('executed')")
        code = "import random, harness; print(harness.__file__)"
        (tmp_path / "probe_of_test.py").write_text(code)
        script = tmp_path / "harness" / "core" / "processes" / "run_module.py"
        done = subprocess.run(
            [sys.executable, str(script), "probe_of_test"], cwd="/", capture_output=True, text=True, env={}
        )
        assert done.stdout.strip() == str(tmp_path / "harness" / "__init__.py"), done.stderr


def _python(version: str) -> str:
    """An interpreter of this version; this one where there is none, which then is tried again."""
    found: Callable[[str], str | None] = shutil.which
    for candidate in sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python")):
        return str(candidate)
    return found(f"python{version}") or sys.executable


def test_python_m_harness_looks_there_no_longer_once_it_runs(hostile: Path) -> None:
    """What Python itself imports to run a module with -m, no program can keep it from."""
    for name in ("runpy", "pathlib", "typing", "sitecustomize", "usercustomize"):
        (hostile / f"{name}.py").unlink()
    shutil.rmtree(hostile / "harness")
    done = subprocess.run(
        [sys.executable, "-m", "harness", "report", str(small_run(hostile / "run"))],
        cwd=hostile,
        env={**environment(), "PYTHONPATH": python_path(), "PWNED": str(hostile.parent / "pwned")},
        capture_output=True,
        text=True,
    )
    assert_innocent(hostile, done)
