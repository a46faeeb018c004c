"""Which job holds a run directory, without locks."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from threading import Barrier, Thread

import pytest

from harness.cluster.job_owner import check_owner, take
from harness.core.errors import ConfigError


def nobody(job: str) -> bool:
    return False


def everybody(job: str) -> bool:
    return True


def silence(job: str) -> None:
    return None


def test_a_new_directory_is_taken_by_who_comes_first(tmp_path: Path) -> None:
    file = take(tmp_path, "out", "41", everybody)
    assert json.loads(file.read_text())["job"] == "41"
    with pytest.raises(ConfigError, match="held by job 41"):
        take(tmp_path, "out", "42", everybody)


def test_a_job_that_is_requeued_finds_itself(tmp_path: Path) -> None:
    assert take(tmp_path, "out", "41_2", everybody) == take(tmp_path, "out", "41_2", everybody)


def test_a_job_that_is_gone_is_followed(tmp_path: Path) -> None:
    first = take(tmp_path, "out", "41", nobody)
    second = take(tmp_path, "out", "42", nobody)
    assert first.exists()
    assert second != first
    with pytest.raises(ConfigError, match="held by job 42"):
        check_owner(tmp_path, "out", "43", everybody)


def test_when_slurm_does_not_answer_the_directory_is_left_alone(tmp_path: Path) -> None:
    take(tmp_path, "out", "41", silence)
    with pytest.raises(ConfigError, match=r"does not say whether it lives.* remove owner\.1\.json"):
        take(tmp_path, "out", "42", silence)


def test_without_a_job_of_ones_own_a_living_one_is_respected_all_the_same(tmp_path: Path) -> None:
    assert check_owner(tmp_path, "out", None, everybody) == 0
    take(tmp_path, "out", "41", everybody)
    with pytest.raises(ConfigError, match="held by job 41"):
        check_owner(tmp_path, "out", None, everybody)
    assert check_owner(tmp_path, "out", None, nobody) == 1


@pytest.mark.parametrize("text", ["", "{", "[]", '{"job": null}'])
def test_a_file_that_says_nothing_is_no_ones_to_take(tmp_path: Path, text: str) -> None:
    (tmp_path / "owner.1.json").write_text(text)
    with pytest.raises(ConfigError, match="just begun"):
        take(tmp_path, "out", "42", nobody)


def test_of_many_who_find_the_holder_gone_at_once_one_has_it(tmp_path: Path) -> None:
    take(tmp_path, "out", "1", nobody)
    together, won = Barrier(8), []

    def gone_but_for_the_new(job: str) -> bool:
        return job != "1"

    def come(job: str) -> None:
        together.wait()
        with contextlib.suppress(ConfigError):
            won.append(take(tmp_path, "out", job, gone_but_for_the_new))

    threads = [Thread(target=come, args=(str(n),)) for n in range(2, 10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1
