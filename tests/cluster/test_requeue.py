"""A job starts itself again: no other one, and not without an end. Small programs in place of SLURM's commands."""

from __future__ import annotations

from pathlib import Path

import pytest
from fake_commands import Commands
from made_jobs import identity
from test_job import line

from harness.cluster.jobs import job as job_module
from harness.cluster.jobs.requeue import ASKED, NOT_ASKED, main
from harness.cluster.jobs.starts import barren_starts, note_progress


@pytest.fixture
def slurm(commands: Commands, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Commands:
    monkeypatch.setattr(job_module, "PAUSES_S", (0,))
    monkeypatch.setenv("HARNESS_RESULTS", str(tmp_path / "results"))
    monkeypatch.setenv("SLURM_JOB_ID", "41")
    monkeypatch.setenv("SLURM_ARRAY_JOB_ID", "59")
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "1")
    monkeypatch.delenv("SLURMD_NODENAME", raising=False)
    commands.make("squeue", "exit 0")
    return commands


def scontrol(slurm: Commands, **fields: object) -> None:
    shown = f'cat <<"X"\n{line(**fields)}\nX\n'
    slurm.make(
        "scontrol", f'case "$*" in "show config") echo "ClusterName = here";; requeue*) ;; *) {shown};; esac'
    )


def asked(slurm: Commands) -> list[str]:
    return [each for each in slurm.called.splitlines() if "requeue" in each or "scancel" in each]


def test_of_itself_whatever_it_has_inherited(slurm: Commands) -> None:
    scontrol(slurm)
    assert main() == ASKED
    assert asked(slurm) == ["scontrol requeue 41"]


def test_not_where_it_is_cancelled(slurm: Commands, capsys: pytest.CaptureFixture[str]) -> None:
    scontrol(slurm, state="COMPLETING")
    assert main() == NOT_ASKED
    assert asked(slurm) == []
    assert "the job is completing" in capsys.readouterr().err


def test_not_for_ever(slurm: Commands, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A start that took longer than the time limit less the warning was requeued without an end."""
    scontrol(slurm)
    assert main() == ASKED
    scontrol(slurm, restarts=1, submitted=2000)
    assert main() == NOT_ASKED
    assert "2 starts one after the other have measured nothing" in capsys.readouterr().err
    assert asked(slurm) == ["scontrol requeue 41"]


def test_as_long_as_it_gets_on(slurm: Commands, tmp_path: Path) -> None:
    for restarts in range(4):
        scontrol(slurm, restarts=restarts, submitted=1000 + restarts)
        note_progress(tmp_path / "results", identity(restarts=restarts, submitted=1000 + restarts))
        assert main() == ASKED
    for restarts, answer in ((4, ASKED), (5, NOT_ASKED)):
        scontrol(slurm, restarts=restarts, submitted=2000)
        assert main() == answer


def test_starts_of_another_job_of_that_number_do_not_count(tmp_path: Path) -> None:
    note_progress(tmp_path, identity(restarts=3, submitted=500))
    assert barren_starts(tmp_path, identity(submitted=2000)) == 1
    assert barren_starts(tmp_path, identity(restarts=3, cluster="there")) == 4
