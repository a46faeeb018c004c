"""Run directories: one sweep each, one writer at a time, and a clear word about what cannot be one."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from running import python_path

from harness.core.errors import ConfigError
from harness.plan.config import Config, TimingConfig
from harness.records import directory
from harness.records.acceptable import check_path
from harness.records.directory import RunDirectory, open_run, read_json
from harness.records.files import default_path, read_config, reserved
from harness.records.ownership import owner_file

CONFIG = Config(name="test", depth=[2], width=[8])


def refused(path: Path, config: Config = CONFIG, key: str = "out") -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        open_run(path, config, key)
    assert caught.value.key == key
    assert str(path) in str(caught.value.value)
    return caught.value


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """A run directory that a sweep has made and left."""
    run = open_run(tmp_path / "run", CONFIG)
    run.write_config(CONFIG)
    run.close()
    return run.path


class TestOpening:
    def test_a_new_folder_is_made_with_what_lies_above_it(self, tmp_path: Path) -> None:
        run = open_run(tmp_path / "a" / "b" / "run", CONFIG)
        assert run.raw.is_dir()
        run.close()

    def test_an_empty_folder_is_taken(self, tmp_path: Path) -> None:
        open_run(tmp_path, CONFIG).close()

    def test_the_same_sweep_opens_it_again(self, made: Path) -> None:
        (made / "raw" / "a.jsonl").write_text("kept")
        open_run(made, CONFIG).close()
        assert (made / "raw" / "a.jsonl").read_text() == "kept"

    @pytest.mark.parametrize(
        "change", [{"out": "x"}, {"resume": "x"}, {"dry_run": True}], ids=lambda c: next(iter(c))
    )
    def test_what_only_names_the_run_may_differ(self, made: Path, change: dict) -> None:
        open_run(made, replace(CONFIG, **change)).close()

    def test_another_sweep_is_refused_with_the_key_that_differs(self, made: Path) -> None:
        told = refused(made, replace(CONFIG, depth=[3])).allowed
        assert "depth=[2] there, [3] here" in told
        assert "timing" in refused(made, replace(CONFIG, timing=TimingConfig(block_ms=3))).allowed

    def test_a_config_from_before_a_key_came_is_that_of_its_default(self, made: Path) -> None:
        text = (made / "config.yaml").read_text()
        before = text.replace("autograd:\n- inference\n", "")
        assert before != text
        (made / "config.yaml").write_text(before)
        open_run(made, CONFIG).close()
        assert "autograd=['inference'] there" in refused(made, replace(CONFIG, autograd=["grad"])).allowed

    def test_of_many_keys_that_differ_some_are_named(self, made: Path) -> None:
        other = replace(CONFIG, depth=[3], width=[9], seed=1, batch=[2], scaling="strong")
        assert "and 2 more" in refused(made, other).allowed

    def test_what_was_written_first_stays(self, made: Path) -> None:
        before = (made / "config.yaml").read_bytes()
        run = open_run(made, CONFIG)
        run.write_config(replace(CONFIG, seed=3))
        run.write_environment({"a": 1})
        run.write_environment({"a": 2})
        assert (made / "config.yaml").read_bytes() == before
        assert run.environment() == {"a": 1}
        run.close()

    def test_a_start_that_went_no_further_can_be_repeated(self, tmp_path: Path) -> None:
        """No space, or a kill, before the config was written: nothing of anybody's stands in there."""
        open_run(tmp_path / "run", CONFIG).close()
        open_run(tmp_path / "run", CONFIG).close()

    def test_a_kill_while_the_config_was_written_can_be_repeated(self, tmp_path: Path) -> None:
        run = open_run(tmp_path / "run", CONFIG)
        (run.path / ".config.yaml.7-a1b2c3d4.partial").write_text("name: te")
        run.close()
        open_run(run.path, CONFIG).close()

    def test_no_half_written_file_is_left(self, made: Path) -> None:
        assert not list(made.glob("*.partial"))


class TestRefusing:
    def test_a_file(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("mine")
        assert "this is a file" in refused(tmp_path / "file").allowed
        assert "is a file" in refused(tmp_path / "file" / "below").allowed
        assert (tmp_path / "file").read_text() == "mine"

    def test_a_folder_with_somebody_elses_files(self, tmp_path: Path) -> None:
        (tmp_path / "thesis.txt").write_text("mine")
        assert "thesis.txt" in refused(tmp_path).allowed
        assert sorted(p.name for p in tmp_path.iterdir()) == ["thesis.txt"]

    def test_a_config_that_is_none(self, tmp_path: Path) -> None:
        for text in (b"\xff\x00", b"[1, 2]", b"a: [", b"", b"{a: *b}", b"!!python/object:os.system {}"):
            (tmp_path / "config.yaml").write_bytes(text)
            refused(tmp_path)

    def test_a_config_nested_without_end(self, tmp_path: Path) -> None:
        (tmp_path / "config.yaml").write_text("[" * 20_000)
        refused(tmp_path)

    def test_a_folder_that_cannot_be_written(self, tmp_path: Path) -> None:
        folder = tmp_path / "locked"
        folder.mkdir()
        folder.chmod(0o500)
        if os.access(folder, os.W_OK):
            pytest.skip("this user may write everywhere; see the next test")
        assert "read-only" in refused(folder).allowed
        assert "read-only" in refused(folder / "below").allowed

    @pytest.mark.skipif(not Path("/proc/sys").is_dir(), reason="needs Linux's /proc")
    def test_a_place_where_nobody_can_write(self) -> None:
        path = Path("/proc/harness-run")
        assert not path.exists()
        told = refused(path).allowed
        assert "can be" in told

    def test_a_path_that_is_too_long(self, tmp_path: Path) -> None:
        refused(tmp_path / ("x" * 300))
        refused(tmp_path.joinpath(*["x" * 200] * 30))

    def test_looking_changes_nothing(self, tmp_path: Path) -> None:
        check_path(tmp_path / "new", CONFIG)
        assert not (tmp_path / "new").exists()


HOLD = """
import sys, time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from harness.plan.config import Config
from harness.records.directory import open_run
run = open_run(Path(sys.argv[1]), Config(name="test", depth=[2], width=[8]))
run.write_config(Config(name="test", depth=[2], width=[8]))
print("held", flush=True)
time.sleep(600)
"""


class TestLock:
    @pytest.fixture
    def holder(self, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
        process = subprocess.Popen(
            [sys.executable, "-c", HOLD, str(tmp_path / "run")],
            env={**os.environ, "PYTHONPATH": python_path()},
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()
        process.wait()
        process.stdout.close()

    def test_a_run_directory_has_one_writer(self, holder: subprocess.Popen[str], tmp_path: Path) -> None:
        told = refused(tmp_path / "run", key="resume").allowed
        assert f"locked by process {holder.pid} on {os.uname().nodename}" in told

    def test_a_killed_writer_leaves_no_lock(self, holder: subprocess.Popen[str], tmp_path: Path) -> None:
        holder.kill()
        holder.wait()
        open_run(tmp_path / "run", CONFIG).close()

    def test_a_refused_start_leaves_the_holder_its_lock(
        self, holder: subprocess.Popen[str], tmp_path: Path
    ) -> None:
        refused(tmp_path / "run")
        assert str(holder.pid) in refused(tmp_path / "run").allowed

    def test_closing_gives_the_lock_up(self, tmp_path: Path) -> None:
        run = open_run(tmp_path, CONFIG)
        run.write_config(CONFIG)
        refused(tmp_path)
        run.close()
        open_run(tmp_path, CONFIG).close()

    def test_a_refusal_after_locking_gives_the_lock_up(self, made: Path) -> None:
        refused(made, replace(CONFIG, depth=[3]))
        open_run(made, CONFIG).close()


class TestSpace:
    @pytest.fixture
    def run(self, tmp_path: Path) -> Iterator[RunDirectory]:
        opened = open_run(tmp_path, CONFIG)
        yield opened
        opened.close()

    def test_what_fits_is_accepted(self, run: RunDirectory) -> None:
        run.check_space(1)

    def test_what_does_not_fit_is_refused_with_both_sizes(self, run: RunDirectory) -> None:
        with pytest.raises(ConfigError) as caught:
            run.check_space(2**60)
        assert f"{2**40} MiB free" in caught.value.allowed
        assert "no space left" in caught.value.allowed


class TestReading:
    def test_the_config_is_read_back(self, made: Path) -> None:
        assert read_config(made)["depth"] == [2]

    def test_a_folder_without_a_config_is_no_run(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError) as caught:
            read_config(tmp_path, "RUN")
        assert caught.value.key == "RUN"
        assert "harness sweep" in caught.value.allowed

    def test_a_json_object_is_read_and_nothing_else(self, tmp_path: Path) -> None:
        path = tmp_path / "x.json"
        assert read_json(path) is None
        for text, value in ((json.dumps({"a": 1}), {"a": 1}), ("[1]", None), ("{", None), ("", None)):
            path.write_text(text)
            assert read_json(path) == value
        path.write_bytes(b"\xff")
        assert read_json(path) is None
        assert read_json(tmp_path) is None

    def test_json_nested_without_end_is_no_object(self, tmp_path: Path) -> None:
        (tmp_path / "x.json").write_text('{"a":' + "[" * 200_000)
        assert read_json(tmp_path / "x.json") is None


class TestDefaultPath:
    def test_it_stands_below_the_results_under_the_name_of_the_sweep(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HARNESS_RESULTS", str(tmp_path))
        assert default_path("smoke").parent == tmp_path / "smoke"
        monkeypatch.delenv("HARNESS_RESULTS")
        assert default_path("smoke").parent == Path("results/smoke")

    def test_two_runs_in_one_second_have_two_folders(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HARNESS_RESULTS", str(tmp_path))
        path = default_path("smoke")
        with ThreadPoolExecutor(8) as at_once:
            paths = list(at_once.map(lambda _: reserved(path), range(40)))
        assert len(set(paths)) == 40
        assert all(each.is_dir() for each in paths)

    def test_names_sort_by_time(self) -> None:
        first, second = default_path("x"), default_path("x")
        assert first.name <= second.name
        assert first.name.endswith("Z")


class TestWithinARun:
    @pytest.mark.parametrize(
        "below",
        ["again", "raw/again", "figures/again", "a/b/c", "raw/shard-1of2", "shard-nonsense", "../link/again"],
    )
    def test_a_run_in_another_ones_folder_is_refused(self, tmp_path: Path, below: str) -> None:
        run = open_run(tmp_path / "run", CONFIG)
        run.write_config(CONFIG)
        run.close()
        (tmp_path / "link").symlink_to(run.raw)
        with pytest.raises(ConfigError, match="in no other run"):
            open_run(tmp_path / "run" / below, CONFIG)
        open_run(tmp_path / "run" / ".." / "other", CONFIG).close()

    def test_shards_stand_in_the_folder_that_they_are_merged_into(self, tmp_path: Path) -> None:
        run = open_run(tmp_path / "run", CONFIG)
        run.write_config(CONFIG)
        run.close()
        open_run(tmp_path / "run" / "shard-1of2", CONFIG).close()


class Held:
    """A Claim that is another's, or nobody's."""

    def __init__(self, file: Path | None, others: bool = False) -> None:
        self.file, self.others = file, others

    def check(self, path: Path, key: str) -> None:
        if self.others:
            raise ConfigError(key, path, "another's")

    def take(self, path: Path, key: str) -> Path | None:
        if self.file is not None:
            self.file.touch()
        return self.file


class TestClaim:
    """Where the kernel's lock does not reach, a run is held by what whoever opens it brings along."""

    def test_what_another_holds_is_refused_before_anything_is_made(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match="another's"):
            open_run(tmp_path, CONFIG, ownership=Held(None, others=True))
        assert not list(tmp_path.iterdir())

    def test_it_is_held_while_the_run_is_open(self, tmp_path: Path) -> None:
        file = tmp_path / "run" / owner_file(1)
        run = open_run(tmp_path / "run", CONFIG, ownership=Held(file))
        assert file.exists()
        run.close()
        assert not file.exists()

    def test_an_ownership_that_makes_no_file_leaves_none(self, tmp_path: Path) -> None:
        open_run(tmp_path / "run", CONFIG, ownership=Held(None)).close()

    def test_a_file_system_without_locks_is_no_hindrance(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(file: object, how: int) -> None:
            raise OSError(errno.ENOSYS, "Function not implemented")

        monkeypatch.setattr(directory.fcntl, "flock", refuse)
        open_run(tmp_path / "run", CONFIG).close()


def test_the_space_asked_for_is_more_than_a_round_takes(tmp_path: Path) -> None:
    """A block's line with the largest numbers that its fields have."""
    block = {
        "key": "0" * 12,
        "steps": 10**7,
        "start_ns": 2**62,
        "end_ns": 2**62,
        "cpu_ns": 10**10,
        "main_ns": 10**10,
        "waits": 10**5,
        "preemptions": 10**5,
        "issue_ns": 12345.678901234,
    }
    assert len(json.dumps(block, separators=(",", ":"))) < directory.BYTES_PER_BLOCK
