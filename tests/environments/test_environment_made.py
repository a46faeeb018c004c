"""Environments are made once, whole or not at all, and what cannot be made is said in one line."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from fake_pythons import FakePython, facts
from running import python_path, wait_until

from harness.core.errors import HarnessError
from harness.environments import kept
from harness.environments.document import Environment, environment_of
from harness.environments.interpreter import NeedsPython, NotReady, create, ready


class Heard:
    """What is told while one is made."""

    def __init__(self) -> None:
        self.steps: list[str] = []
        self.details: list[str] = []

    def create(self, environment: Environment, base: str = "") -> Path:
        return create(environment, self.steps.append, base=base, detail=self.details.append).python

    def refused(self, environment: Environment, base: str = "") -> NotReady:
        with pytest.raises(NotReady) as caught:
            self.create(environment, base)
        assert "\n" not in str(caught.value)
        assert str(caught.value).startswith(f"{environment.name}: ")
        return caught.value


def folders(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.is_dir())


def test_what_is_made_is_ready_and_lies_in_a_folder_of_its_own(
    fake: FakePython, folder: Path, described: Environment
) -> None:
    with pytest.raises(NotReady, match="not created: harness environment create other"):
        ready(described)
    heard = Heard()
    python = heard.create(described)
    (name,) = folders(folder)
    assert name.startswith("other-")
    assert python == folder / name / "venv" / "bin" / "python"
    assert ready(described).python == python
    assert ready(described).environment == described
    installed = fake.runs("-m", "pip", "install")
    assert [run[0][-1] for run in installed] == ["torch==2.13.0"]
    assert not (folder / name / "tmp").exists()


def test_each_step_is_told_and_what_pip_says_meanwhile(fake: FakePython, described: Environment) -> None:
    heard = Heard()
    heard.create(described)
    assert any("installing torch==2.13.0" in step for step in heard.steps)
    assert all(step.startswith("other: ") for step in heard.steps)
    assert "Collecting torch" in heard.details
    assert "1 of 2 MiB" in heard.details


def test_one_that_is_there_is_not_made_again(fake: FakePython, described: Environment) -> None:
    first, again = Heard(), Heard()
    assert first.create(described) == again.create(described)
    assert len(fake.runs("-m", "venv")) == 1
    assert any("is there already" in step for step in again.steps)


def test_what_is_asked_for_otherwise_is_another_one(
    fake: FakePython, folder: Path, described: Environment
) -> None:
    heard = Heard()
    heard.create(described)
    for other in (
        replace(described, requirements=("torch==2.14.1",)),
        replace(described, index="https://elsewhere/simple"),
        replace(described, build_requires=("wheel==0.45.1",)),
    ):
        with pytest.raises(NotReady, match="not created"):
            ready(other)
        heard.create(other)
    assert len(folders(folder)) == 4
    # Variables are those of its processes: nothing of it has to be made anew.
    assert ready(replace(described, variables={"A": "1"}))


def test_what_a_kill_has_left_is_made_anew(
    fake: FakePython, folder: Path, described: Environment, tmp_path: Path
) -> None:
    fake.told(pip_takes_s=600)
    program = (
        "from harness.environments.document import environment_of\n"
        "from harness.environments.interpreter import create\n"
        "create(environment_of('other', {'python': '3.14', 'requirements': ['torch==2.13.0']}), print)\n"
    )
    creator = subprocess.Popen(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": python_path()},
        stdout=subprocess.DEVNULL,
    )
    wait_until(lambda: fake.runs("-m", "pip", "install"), "pip is started")
    creator.kill()
    creator.wait()
    with pytest.raises(NotReady, match="half-made"):
        ready(described)
    fake.told(pip_takes_s=0)
    heard = Heard()
    heard.create(described)
    assert any("an earlier start has left" in step for step in heard.steps)
    assert ready(described)
    assert len(folders(folder)) == 1


def test_a_kill_before_the_mark_leaves_nothing_in_the_way(
    fake: FakePython, folder: Path, described: Environment
) -> None:
    kept.folder_of(described).mkdir(parents=True)
    Heard().create(described)
    assert ready(described)


def test_of_two_creators_at_once_one_makes_it_and_the_other_waits(
    fake: FakePython, described: Environment
) -> None:
    fake.told(pip_takes_s=0.5)
    heard = [Heard(), Heard()]
    threads = [threading.Thread(target=each.create, args=(described,)) for each in heard]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(fake.runs("-m", "venv")) == 1
    assert sum(any("is waited for" in step for step in each.steps) for each in heard) == 1
    assert ready(described)


def test_whatever_fails_leaves_nothing_behind(fake: FakePython, folder: Path, described: Environment) -> None:
    fake.told(pip_status=1)
    Heard().refused(described)
    assert folders(folder) == []


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        (
            {
                "pip_says": "ERROR: Could not find a version\nERROR: No matching distribution found for torch==9"
            },
            "pip: No matching distribution found for torch==9",
        ),
        ({"pip_says": "  No matching distribution found for torch==9"}, "No matching distribution"),
        (
            {"pip_says": "ERROR: Could not install: [Errno 28] No space left on device"},
            "no space left for it in",
        ),
        ({"pip_says": "WARNING: Failed to establish a new connection"}, "index cannot be reached"),
        ({"pip_says": ""}, "exit status 1"),
    ],
)
def test_what_pip_refuses_is_said_in_one_line(
    fake: FakePython, described: Environment, changed: dict[str, object], why: str
) -> None:
    fake.told(pip_status=1, **changed)
    assert why in str(Heard().refused(described))


def test_a_full_disk_is_said_with_what_to_do(fake: FakePython, folder: Path, described: Environment) -> None:
    fake.told(venv_status=1, venv_says="OSError: [Errno 28] No space left on device")
    told = str(Heard().refused(described))
    assert str(folder) in told
    assert "HARNESS_ENVIRONMENTS" in told


def test_a_full_disk_is_seen_where_venv_does_not_say_it(
    fake: FakePython, described: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = "Error: Command '['python', '-m', 'ensurepip']' returned non-zero exit status 1."
    fake.told(venv_status=1, venv_says=said)
    assert "makes no virtual environment" in str(Heard().refused(described))
    monkeypatch.setattr(
        "harness.environments.building.shutil.disk_usage", lambda folder: SimpleNamespace(free=2**20)
    )
    assert "no space left" in str(Heard().refused(described))


def test_a_python_that_makes_no_virtual_environments_is_said(
    fake: FakePython, described: Environment
) -> None:
    fake.told(venv_status=1, venv_says="The virtual environment was not created: ensurepip is not available.")
    assert "no ensurepip" in str(Heard().refused(described))


@pytest.mark.parametrize(
    ("found", "why"),
    [
        (facts(found=False), "bring no module torch"),
        (facts(error="ImportError: libcudart.so.13: cannot open"), "libcudart.so.13: cannot open"),
    ],
)
def test_one_without_a_framework_that_can_be_imported_is_not_kept(
    fake: FakePython, folder: Path, described: Environment, found: dict[str, object], why: str
) -> None:
    fake.told(facts=found)
    assert why in str(Heard().refused(described))
    assert folders(folder) == []


def test_a_framework_whose_import_ends_the_process_is_said(fake: FakePython, described: Environment) -> None:
    Heard().create(described)
    fake.told(ends_by=int(signal.SIGILL))
    with pytest.raises(NotReady, match="SIGILL"):
        ready(described)


def test_one_whose_python_has_gone_is_made_anew(fake: FakePython, described: Environment) -> None:
    python = Heard().create(described)
    python.unlink()
    python.symlink_to("/nowhere/python3.14")
    with pytest.raises(NotReady, match=r"leads to /nowhere/python3\.14, which is not there"):
        ready(described)
    heard = Heard()
    heard.create(described)
    assert any("is made anew" in step for step in heard.steps)
    assert ready(described)


def test_one_whose_stand_in_cannot_be_made_is_not_kept(
    fake: FakePython, folder: Path, described: Environment
) -> None:
    packages = "venv/lib/python3.14/site-packages"
    fake.told(pip_makes=str(kept.folder_of(replace(described, stand_ins=("mpi",))) / packages))
    why = str(Heard().refused(replace(described, stand_ins=("mpi",))))
    assert "the stand-in for mpi: " in why and "needs a stand-in for mpi" in why
    assert folders(folder) == []


def test_a_description_is_read_back_from_its_mark_whole(fake: FakePython, described: Environment) -> None:
    whole = replace(described, build_requires=("wheel==0.45.1",))
    Heard().create(whole)
    found = kept.read_mark(kept.folder_of(whole))
    assert found is not None and found.environment == whole


class TestPython:
    """Which interpreter it is made of."""

    def test_one_that_is_not_there_is_asked_for(self, folder: Path) -> None:
        old = environment_of("old", {"python": "3.6", "requirements": ["torch==1.10.2"]})
        error = Heard().refused(old)
        assert isinstance(error, NeedsPython)
        assert "needs Python 3.6" in str(error)
        assert "name one with python=" in str(error)

    def test_one_that_is_named_is_taken_if_it_is_of_that_version(
        self, fake: FakePython, tmp_path: Path, described: Environment
    ) -> None:
        other = FakePython(tmp_path / "other", "python").written()
        Heard().create(described, base=str(other.path))
        assert other.runs("-m", "venv")
        assert not fake.runs("-m", "venv")
        assert ready(described)

    def test_one_of_another_version_is_refused(
        self, fake: FakePython, tmp_path: Path, described: Environment
    ) -> None:
        other = FakePython(tmp_path / "other", facts=facts(python="3.9.1")).written()
        assert "needs Python 3.14, and" in str(Heard().refused(described, base=str(other.path)))
        # What is called so on PATH and is not of that version is none.
        fake.told(facts=facts(python="3.13.0"))
        assert isinstance(Heard().refused(described), NeedsPython)

    def test_a_free_threaded_build_is_another_one(self, fake: FakePython, described: Environment) -> None:
        fake.told(facts=facts(free_threaded=True))
        assert isinstance(Heard().refused(described), NeedsPython)

    @pytest.mark.parametrize("version", ["2.7.18", "3.5.2", "3.15.0"])
    def test_what_the_driver_is_not_written_for_is_refused(self, fake: FakePython, version: str) -> None:
        fake.told(facts=facts(python=version))
        named = environment_of("mine", {"python": str(fake.path)})
        with pytest.raises(NotReady, match=r"3\.6 to 3\.14 are supported"):
            ready(named)

    def test_those_of_pyenv_are_found_the_latest_first(
        self, folder: Path, tmp_path: Path, described: Environment
    ) -> None:
        fakes = {
            patch: FakePython(tmp_path / "pyenv/versions" / f"3.14.{patch}" / "bin", "python").written()
            for patch in (1, 10, 9)
        }
        Heard().create(described)
        assert {patch: bool(each.runs("-m", "venv")) for patch, each in fakes.items()} == {
            1: False,
            10: True,
            9: False,
        }

    def test_what_is_only_called_so_is_passed_over(
        self, fake: FakePython, tmp_path: Path, described: Environment
    ) -> None:
        fake.told(facts=facts(python="3.13.0"))
        right = FakePython(tmp_path / "pyenv/versions/3.14.2/bin", "python").written()
        Heard().create(described)
        assert right.runs("-m", "venv")
        assert not fake.runs("-m", "venv")

    def test_an_interpreter_for_another_processor_is_said_to_be_one(self, tmp_path: Path) -> None:
        # The head of an ELF file for aarch64, and of one for nothing that there is.
        for machine, told in ((b"\xb7\x00", "aarch64"), (b"\xee\xee", "another processor (0xeeee)")):
            path = tmp_path / "python"
            path.write_bytes(b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x02\x00" + machine + bytes(44))
            path.chmod(0o755)
            with pytest.raises(NotReady) as caught:
                ready(environment_of("mine", {"python": str(path)}))
            assert f"built for {told}" in str(caught.value)

    @pytest.mark.parametrize(
        ("content", "why"),
        [
            (None, "is not there"),
            ("", "no program"),
            ("#!/nowhere/at/all\n", "the loader or the program"),
            ("#!/bin/sh\necho 'I am a shell' >&2; exit 3\n", "I am a shell"),
            ("#!/bin/sh\nkill -9 $$\n", "SIGKILL"),
            ("#!/bin/sh\necho '@@harness-facts {'\n", "no Python that answers"),
            ("#!/bin/sh\necho '@@harness-facts []'\n", "no Python that answers"),
        ],
    )
    def test_what_is_no_python_is_said_to_be_none(
        self, tmp_path: Path, content: str | None, why: str
    ) -> None:
        path = tmp_path / "python"
        if content is not None:
            path.write_text(content)
            path.chmod(0o755)
        with pytest.raises(NotReady) as caught:
            ready(environment_of("mine", {"python": str(path)}))
        assert why in str(caught.value)
        assert "\n" not in str(caught.value)

    def test_a_file_that_may_not_be_run_is_said(self, tmp_path: Path) -> None:
        (tmp_path / "python").write_text("#!/bin/sh\n")
        with pytest.raises(NotReady, match="no program that this user may run"):
            ready(environment_of("mine", {"python": str(tmp_path / "python")}))


class TestThere:
    """One that the user has already is used as it is."""

    def test_nothing_is_installed_into_it(self, fake: FakePython, folder: Path) -> None:
        mine = environment_of("mine", {"python": str(fake.path)})
        assert ready(mine).python == fake.path
        assert Heard().create(mine) == fake.path
        assert not fake.runs("-m")
        assert not folder.exists()

    def test_one_without_the_framework_is_not_ready(self, fake: FakePython) -> None:
        fake.told(facts=facts(found=False))
        with pytest.raises(NotReady, match="has no torch"):
            ready(environment_of("mine", {"python": str(fake.path)}))

    def test_the_harness_s_own_is_ready(self) -> None:
        from harness.environments.document import HERE

        assert ready(HERE).python == Path(sys.executable)


class TestPip:
    def test_variables_of_pip_that_install_elsewhere_do_not_reach_it(
        self, fake: FakePython, described: Environment, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        elsewhere = {"PIP_TARGET": "/x", "PIP_USER": "1", "PIP_PREFIX": "/x", "PIP_REQUIREMENT": "/x"}
        for name, value in {**elsewhere, "PIP_INDEX_URL": "https://mine", "PYTHONPATH": "/x"}.items():
            monkeypatch.setenv(name, value)
        Heard().create(described)
        for words, variables, _ in fake.runs("-m"):
            assert not {*elsewhere, "PYTHONPATH"} & set(variables), words
            assert variables["PIP_INDEX_URL"] == "https://mine"
        ((words, variables, _),) = fake.runs("-m", "pip", "install")
        assert "--no-user" in words
        assert Path(variables["TMPDIR"]).is_relative_to(kept.folder_of(described))

    @pytest.mark.parametrize("line", ["global.target='/x'", "install.user='true'", "install.prefix='/x'"])
    def test_a_configuration_of_pip_that_installs_elsewhere_is_refused(
        self, fake: FakePython, described: Environment, line: str
    ) -> None:
        fake.told(pip_config=f"global.index-url='https://mine'\n{line}")
        assert "install elsewhere" in str(Heard().refused(described))
        assert not fake.runs("-m", "pip", "install")

    def test_an_index_that_is_named_is_the_one_that_is_asked(
        self, fake: FakePython, described: Environment
    ) -> None:
        Heard().create(replace(described, index="https://elsewhere/simple"))
        ((words, _, _),) = fake.runs("-m", "pip", "install")
        assert words[words.index("--index-url") + 1] == "https://elsewhere/simple"

    def test_an_old_pip_is_replaced_first(self, fake: FakePython, described: Environment) -> None:
        fake.told(pip="18.1")
        Heard().create(described)
        assert [run[0][-1] for run in fake.runs("-m", "pip", "install")] == ["pip==21.3.1", "torch==2.13.0"]

    def test_what_sources_are_built_with_comes_first_and_is_what_they_are_built_with(
        self, fake: FakePython, described: Environment
    ) -> None:
        Heard().create(replace(described, build_requires=("setuptools==59.8.0", "wheel==0.45.1")))
        first, last = (run[0] for run in fake.runs("-m", "pip", "install"))
        assert first[-2:] == ["setuptools==59.8.0", "wheel==0.45.1"]
        assert "--no-build-isolation" not in first
        assert "--no-build-isolation" in last and last[-1] == "torch==2.13.0"

    def test_nothing_that_lies_where_one_stands_is_run(
        self, fake: FakePython, described: Environment, folder: Path
    ) -> None:
        Heard().create(described)
        for _, _, stood_in in fake.runs("-m"):
            assert Path(stood_in).is_relative_to(folder)


class TestOurs:
    """Only what has a mark of the harness is used or removed."""

    def test_what_is_removed_is_gone_and_can_be_made_again(
        self, fake: FakePython, folder: Path, described: Environment
    ) -> None:
        Heard().create(described)
        kept.remove(kept.folder_of(described))
        assert folders(folder) == []
        Heard().create(described)
        assert ready(described)

    def test_a_folder_without_a_mark_is_neither_used_nor_removed(
        self, fake: FakePython, folder: Path, described: Environment
    ) -> None:
        foreign = kept.folder_of(described)
        foreign.mkdir(parents=True)
        (foreign / "precious").write_text("the only copy")
        with pytest.raises(HarnessError, match="no mark"):
            kept.remove(foreign)
        Heard().refused(described)
        assert (foreign / "precious").read_text() == "the only copy"

    @pytest.mark.parametrize(
        "mark", ["", "[]", "{}", '{"harness_environment": 1}', "{" * 100_000, '{"harness_environment": 2}']
    )
    def test_a_mark_that_is_none_makes_nothing_ours(self, folder: Path, mark: str) -> None:
        (folder / "a").mkdir(parents=True)
        (folder / "a" / kept.MARK).write_text(mark)
        assert kept.found_there() == []
        with pytest.raises(HarnessError, match="no mark"):
            kept.remove(folder / "a")

    def test_a_mark_that_was_copied_into_another_folder_is_none(
        self, fake: FakePython, folder: Path, described: Environment
    ) -> None:
        Heard().create(described)
        (folder / "copy").mkdir()
        mark = (kept.folder_of(described) / kept.MARK).read_text()
        (folder / "copy" / kept.MARK).write_text(mark)
        assert [each.folder for each in kept.found_there()] == [kept.folder_of(described)]

    def test_links_are_removed_and_not_what_they_lead_to(
        self, fake: FakePython, folder: Path, described: Environment, tmp_path: Path
    ) -> None:
        Heard().create(described)
        outside = tmp_path / "outside"
        outside.mkdir()
        (outside / "precious").write_text("the only copy")
        made = kept.folder_of(described)
        (made / "link").symlink_to(outside)
        (made / "venv" / "link").symlink_to(outside)
        kept.remove(made)
        assert (outside / "precious").read_text() == "the only copy"

    def test_a_link_in_the_place_of_a_folder_is_none_of_ours(
        self, fake: FakePython, described: Environment, tmp_path: Path
    ) -> None:
        Heard().create(described)
        made = kept.folder_of(described)
        made.rename(tmp_path / "moved")
        made.symlink_to(tmp_path / "moved")
        assert kept.found_there() == []
        with pytest.raises(NotReady, match="not created"):
            ready(described)
        with pytest.raises(HarnessError, match="no mark"):
            kept.remove(made)
        assert (tmp_path / "moved" / "venv").exists()

    def test_one_that_others_may_write_to_is_not_run(self, fake: FakePython, described: Environment) -> None:
        Heard().create(described)
        kept.folder_of(described).chmod(0o777)
        with pytest.raises(NotReady, match="others may write to it"):
            ready(described)

    def test_of_one_that_is_being_removed_it_is_still_known_whose_it_is(
        self, fake: FakePython, described: Environment, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        Heard().create(described)

        def killed(path: object) -> None:
            raise KeyboardInterrupt

        with monkeypatch.context() as broken:
            broken.setattr("harness.environments.kept.shutil.rmtree", killed)
            with pytest.raises(KeyboardInterrupt):
                kept.remove(kept.folder_of(described))
        (left,) = kept.found_there()
        assert not left.is_complete
        kept.remove(left.folder)
        assert kept.found_there() == []

    def test_the_mark_says_what_was_asked_for(self, fake: FakePython, described: Environment) -> None:
        Heard().create(described)
        plain = json.loads((kept.folder_of(described) / kept.MARK).read_text())
        assert plain["complete"] is True
        assert plain["python"] == "3.14.9"
        (there,) = kept.found_there()
        assert there.environment == described
