"""SLURM asked and told: small programs in place of its commands."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.cluster.slurm_commands import addresses_of, is_alive, nodes_left, signal_step


class Commands:
    """SLURM's commands, as shell scripts in a folder that is found first. `called`: what each was called with."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def make(self, name: str, script: str) -> None:
        file = self.folder / name
        file.write_text(f'#!/bin/sh\necho "$@" >> {self.folder}/called\n{script}\n')
        file.chmod(0o755)

    @property
    def called(self) -> str:
        return (self.folder / "called").read_text()


@pytest.fixture
def commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Commands:
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    for name in ("squeue", "scontrol", "scancel"):
        (tmp_path / name).write_text("#!/bin/sh\nexit 1\n")
        (tmp_path / name).chmod(0o755)
    return Commands(tmp_path)


def test_a_job_that_runs_is_alive(commands: Commands) -> None:
    commands.make("squeue", "echo RUNNING")
    assert is_alive("41_2") is True
    assert "--jobs=41_2 --states=RUNNING,SUSPENDED,COMPLETING" in commands.called


def test_a_job_that_is_forgotten_is_not(commands: Commands) -> None:
    """squeue fails of it, but answers when it is asked of all jobs."""
    commands.make("squeue", 'case "$*" in *--jobs=*) exit 1;; esac')
    assert is_alive("41") is False


def test_nothing_is_known_while_the_controller_is_gone(commands: Commands) -> None:
    assert is_alive("41") is None
    assert nodes_left("41") is None


def test_the_nodes_that_are_left_are_named(commands: Commands) -> None:
    commands.make("squeue", "echo 'n[1-2],x'")
    assert nodes_left("41") == ["n1", "n2", "x"]


def test_a_host_without_a_known_address_goes_by_its_name(commands: Commands) -> None:
    commands.make("scontrol", "echo 'NodeName=n1 Arch=x86_64 NodeAddr=10.0.0.1 NodeHostName=n1'")
    assert addresses_of(["n1", "n2"]) == ["10.0.0.1", "n2"]


def test_a_signal_goes_to_one_step(commands: Commands) -> None:
    commands.make("scancel", "")
    signal_step("41.7", "USR1")
    assert commands.called == "--signal=USR1 41.7\n"
