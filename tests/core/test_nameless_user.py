"""A user without HOME and without an entry in passwd, as a container's `--user 12345` has it."""

from __future__ import annotations

import getpass
import os
import pwd
import sys
from pathlib import Path

import pytest

from ground.builds import ForeignBuild, cache_folder
from ground.user import name_user
from harness.core.stats.spread import ASSUMED_DRIFT, Earlier
from harness.machine.spreads import earlier_sweeps, keep_sweep

NAMES = ("HOME", "LOGNAME", "USER", "LNAME", "USERNAME", "XDG_CACHE_HOME", "XDG_STATE_HOME")


@pytest.fixture
def temporary(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    def unknown(uid: int) -> pwd.struct_passwd:
        raise KeyError(f"getpwuid(): uid not found: {uid}")

    monkeypatch.setattr(pwd, "getpwuid", unknown)
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


def test_builds_are_kept_beside_temporary_files_in_a_folder_of_this_users_own(temporary: Path) -> None:
    assert cache_folder(temporary / "no checkout") == temporary / f"cache-of-{os.getuid()}" / "harness"
    made = temporary / f"cache-of-{os.getuid()}"
    assert made.stat().st_mode & 0o022 == 0
    made.chmod(0o777)
    with pytest.raises(ForeignBuild):
        cache_folder(temporary / "no checkout")


def test_a_name_is_there_for_whoever_asks(temporary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGNAME", "to be restored")
    monkeypatch.delenv("LOGNAME")
    with pytest.raises((KeyError, OSError)):
        getpass.getuser()
    name_user()
    assert getpass.getuser() == f"uid-{os.getuid()}"


def test_nothing_is_known_of_the_machine_and_nothing_fails(temporary: Path) -> None:
    keep_sweep({"host": "a"}, None, [1.0])
    assert earlier_sweeps({"host": "a"}) == Earlier(None, ASSUMED_DRIFT)


def test_a_plan_with_what_is_compiled_is_made(
    temporary: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    from harness.commands.cli import main

    probe = {"torch": "2.14.1", "built_for_cuda": "13.0", "cpu_name": "a processor", "devices": []}
    monkeypatch.setattr("harness.launch.local.probe_torch", lambda variables=None: probe)
    monkeypatch.setattr(sys, "argv", ["harness"])
    monkeypatch.chdir(temporary)
    assert main(["sweep", "sweep=smoke", "mode=[eager,native,compile]", "dry_run=true"]) == 0
    assert capfd.readouterr().err == ""
