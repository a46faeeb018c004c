"""The run directory of a job: its own after each requeue, and never another's. Needs no SLURM."""

from __future__ import annotations

import json
from pathlib import Path

from made_jobs import identity

from harness.cluster.jobs.job import Identity
from harness.cluster.jobs.job_folder import array_folders, job_folder


def left(folder: Path, job: Identity | None, file: str = "environment.json") -> Path:
    folder.mkdir(parents=True)
    if job:
        (folder / file).write_text(
            json.dumps({"job": job.plain()} if file == "environment.json" else job.plain())
        )
    return folder


def test_of_a_new_job(tmp_path: Path) -> None:
    assert job_folder(tmp_path, identity()) == tmp_path / "job-41"


def test_a_requeued_job_finds_its_own(tmp_path: Path) -> None:
    own = left(tmp_path / "job-41", identity())
    assert job_folder(tmp_path, identity(submitted=2000, restarts=1)) == own


def test_another_clusters_job_of_the_same_number_has_left_it(tmp_path: Path) -> None:
    """Its second job resumed the first one's results."""
    left(tmp_path / "job-41", identity(cluster="there"))
    own = tmp_path / "job-41-2"
    assert job_folder(tmp_path, identity()) == own
    left(own, identity())
    assert job_folder(tmp_path, identity(submitted=1500, restarts=1)) == own


def test_a_job_from_before_the_controller_counted_anew(tmp_path: Path) -> None:
    left(tmp_path / "job-41", identity(submitted=10))
    assert job_folder(tmp_path, identity()) == tmp_path / "job-41-2"
    left(tmp_path / "job-41-2", identity())
    assert job_folder(tmp_path, identity(submitted=2000, restarts=2)) == tmp_path / "job-41-2", "begun last"


def test_a_job_that_was_killed_before_it_wrote_anything_but_that_it_holds_it(tmp_path: Path) -> None:
    left(tmp_path / "job-41", identity(cluster="there"), "owner.1.json")
    assert job_folder(tmp_path, identity()) == tmp_path / "job-41-2"


def test_what_says_nothing_is_the_jobs_own(tmp_path: Path) -> None:
    """As a start leaves it that was killed at once, and as an earlier version did."""
    own = left(tmp_path / "job-41", None)
    assert job_folder(tmp_path, identity()) == own


def test_tasks_of_an_array_have_one_folder(tmp_path: Path) -> None:
    left(tmp_path / "job-41" / "shard-1of2", identity("41_1"))
    assert job_folder(tmp_path, identity("41_2")) == tmp_path / "job-41"
    assert job_folder(tmp_path, identity("41_2", cluster="there")) == tmp_path / "job-41-2"


def test_the_folders_of_an_array_are_found_when_it_has_ended(tmp_path: Path) -> None:
    left(tmp_path / "smoke" / "job-41" / "shard-1of2", identity("41_1", cluster="there"))
    own = left(tmp_path / "smoke" / "job-41-2" / "shard-1of2", identity("41_1")).parent
    left(tmp_path / "smoke" / "job-411" / "shard-1of2", identity("411_1"))
    assert array_folders(tmp_path, "here", "41") == [own]
    assert array_folders(tmp_path, "elsewhere", "41") == []
