"""Which job holds a run directory, without locks."""

from __future__ import annotations

import contextlib
import errno
import json
from pathlib import Path
from threading import Barrier, Thread

import pytest
from made_jobs import identity

from harness.cluster.jobs.job import Identity
from harness.cluster.jobs.job_owner import JobOwnership, check_owner, take
from harness.core.errors import ConfigError
from harness.plan.config import Config
from harness.records.directory import RunDirectory, open_run


def nobody(job: str) -> bool:
    return False


def everybody(job: str) -> bool:
    return True


def silence(job: str) -> None:
    return None


def test_a_new_directory_is_taken_by_who_comes_first(tmp_path: Path) -> None:
    file = take(tmp_path, "out", identity("41"), everybody)
    assert Identity.of(json.loads(file.read_text())) == identity()
    with pytest.raises(ConfigError, match="held by job 41"):
        take(tmp_path, "out", identity("42"), everybody)


def test_a_job_that_is_requeued_finds_itself(tmp_path: Path) -> None:
    assert take(tmp_path, "out", identity("41_2"), everybody) == take(
        tmp_path, "out", identity("41_2"), everybody
    )


def test_a_job_that_is_gone_is_followed(tmp_path: Path) -> None:
    first = take(tmp_path, "out", identity("41"), nobody)
    second = take(tmp_path, "out", identity("42"), nobody)
    assert first.exists()
    assert second != first
    with pytest.raises(ConfigError, match="held by job 42"):
        check_owner(tmp_path, "out", identity("43"), everybody)


def test_when_slurm_does_not_answer_the_directory_is_left_alone(tmp_path: Path) -> None:
    take(tmp_path, "out", identity("41"), silence)
    with pytest.raises(ConfigError, match=r"does not say whether it lives.* remove owner\.1\.json"):
        take(tmp_path, "out", identity("42"), silence)


def test_without_a_job_of_ones_own_a_living_one_is_respected_all_the_same(tmp_path: Path) -> None:
    assert check_owner(tmp_path, "out", None, everybody) == 0
    take(tmp_path, "out", identity("41"), everybody)
    with pytest.raises(ConfigError, match="held by job 41"):
        check_owner(tmp_path, "out", None, everybody)
    assert check_owner(tmp_path, "out", None, nobody) == 1


@pytest.mark.parametrize("text", ["", "{", "[]", '{"job": null}', '{"job": "41"}'])
def test_a_file_that_says_nothing_is_no_ones_to_take(tmp_path: Path, text: str) -> None:
    (tmp_path / "owner.1.json").write_text(text)
    with pytest.raises(ConfigError, match="just begun"):
        take(tmp_path, "out", identity("42"), nobody)


def test_of_many_who_find_the_holder_gone_at_once_one_has_it(tmp_path: Path) -> None:
    take(tmp_path, "out", identity("1"), nobody)
    together, won = Barrier(8), []

    def gone_but_for_the_new(job: str) -> bool:
        return job != "1"

    def come(job: str) -> None:
        together.wait()
        with contextlib.suppress(ConfigError):
            won.append(take(tmp_path, "out", identity(job), gone_but_for_the_new))

    threads = [Thread(target=come, args=(str(n),)) for n in range(2, 10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1


@pytest.fixture
def without_locks(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a file system of a cluster: another node would not see the kernel's lock."""

    def refuse(file: object, how: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("harness.records.directory.fcntl.flock", refuse)


@pytest.mark.usefixtures("without_locks")
class TestOpeningARun:
    """Each is left as by a job that is killed."""

    def open(self, path: Path, job: str | None) -> RunDirectory:
        return open_run(path, Config(name="test"), ownership=JobOwnership(job and identity(job), everybody))

    def test_a_requeued_job_opens_its_run_again(self, tmp_path: Path) -> None:
        self.open(tmp_path / "run", "41")
        self.open(tmp_path / "run", "41").close()
        assert not list((tmp_path / "run").glob("owner.*"))

    @pytest.mark.parametrize("job", ["42", None], ids=["another job", "no job"])
    def test_what_a_living_job_holds_is_refused(self, tmp_path: Path, job: str | None) -> None:
        self.open(tmp_path / "run", "41")
        with pytest.raises(ConfigError, match="held by job 41"):
            self.open(tmp_path / "run", job)

    def test_outside_a_job_no_file_is_made(self, tmp_path: Path) -> None:
        self.open(tmp_path / "run", None)
        assert not list((tmp_path / "run").glob("owner.*"))


def test_another_clusters_job_is_left_alone(tmp_path: Path) -> None:
    """Whether it lives is not for this cluster's controller to say, which has a job of that number too."""
    take(tmp_path, "out", identity(cluster="there"), nobody)
    with pytest.raises(ConfigError, match=r"held by job 41 of cluster there; .* remove owner\.1\.json"):
        take(tmp_path, "out", identity(), nobody)


def test_an_earlier_job_of_that_number_is_not_this_one(tmp_path: Path) -> None:
    first = take(tmp_path, "out", identity(), nobody)
    assert take(tmp_path, "out", identity(submitted=2000), nobody) != first
