"""SLURM asked and told: small programs in place of its commands."""

from __future__ import annotations

import pytest
from fake_commands import Commands

from harness.cluster.jobs.slurm_commands import addresses_of, is_alive, is_ending, requeue, signal_step


@pytest.mark.parametrize(
    ("state", "alive", "ending"),
    [
        ("RUNNING", True, False),
        ("SUSPENDED", True, False),
        # A job that lives was taken for one that is gone: another one took its run directory.
        *((state, True, False) for state in ("CONFIGURING", "RESIZING", "SIGNALING", "STAGE_OUT", "STOPPED")),
        ("COMPLETING", True, True),
        ("PENDING", False, True),
        ("REQUEUED", False, True),
        ("NODE_FAIL", False, True),
        ("TIMEOUT", False, True),
        ("", False, True),
    ],
)
def test_whether_a_job_lives(commands: Commands, state: str, alive: bool, ending: bool) -> None:
    commands.make("squeue", f"echo {state}")
    assert is_alive("41_2") is alive
    assert is_ending("41_2") is ending
    assert "--jobs=41_2 --states=all" in commands.called


def test_a_job_that_is_forgotten_does_not(commands: Commands) -> None:
    """squeue fails of it, but answers when it is asked of all jobs."""
    commands.make("squeue", 'case "$*" in *--jobs=*) exit 1;; esac')
    assert is_alive("41") is False


def test_nothing_is_known_while_the_controller_is_gone(commands: Commands) -> None:
    assert is_alive("41") is None
    assert not is_ending("41")


def test_what_is_set_for_the_eye_changes_nothing(commands: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
    commands.make("squeue", 'test -z "$SQUEUE_STATES$SQUEUE_FORMAT$SLURM_CLUSTERS" && echo RUNNING')
    for name in ("SQUEUE_STATES", "SQUEUE_FORMAT", "SLURM_CLUSTERS"):
        monkeypatch.setenv(name, "PENDING")
    assert is_alive("41") is True


def test_a_host_without_a_known_address_goes_by_its_name(commands: Commands) -> None:
    commands.make("scontrol", "echo 'NodeName=n1 Arch=x86_64 NodeAddr=10.0.0.1 NodeHostName=n1'")
    assert addresses_of(["n1", "n2"]) == ["10.0.0.1", "n2"]


def test_a_signal_goes_to_one_step(commands: Commands) -> None:
    commands.make("scancel", "")
    signal_step("41.7", "USR1")
    assert commands.called == "scancel --signal=USR1 41.7\n"


def test_one_job_is_started_again(commands: Commands) -> None:
    commands.make("scontrol", "")
    assert requeue("41_3")
    assert commands.called == "scontrol requeue 41_3\n"
