"""A run directory may be anybody's: nothing in it is followed out of it, waited for, executed or filled in."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from hostile import LAID, PRECIOUS, SWEEP, contents, precious, small_run
from running import one_quick

from benchmarks.on_disk import lines_of
from harness.analysis.run import load_run
from harness.core.files import beneath, plain
from harness.records.lines import Writer
from harness.records.raw import RawFiles


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A run that a sweep has begun: all but its raw records."""
    import subprocess

    from running import command, environment

    folder = tmp_path_factory.mktemp("measured")
    done = subprocess.run(
        command("sweep", *SWEEP, "out=run"), cwd=folder, env=environment(), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    yield folder / "run"


@pytest.fixture
def run(measured: Path, tmp_path: Path) -> Path:
    shutil.copytree(measured, tmp_path / "run")
    return tmp_path / "run"


class TestReading:
    """A report of what lies there: ended within the time of a report, and the victim as it was."""

    @pytest.mark.parametrize(
        ("name", "what"),
        one_quick(
            # Each in two ways: a report takes some seconds.
            *(
                (name, ways[(place + shift) % len(ways)])
                for ways in [[way for way in LAID if way != "a hard link"]]
                for place, name in enumerate(
                    (
                        "raw/x-rank0.jsonl",
                        "config.yaml",
                        "environment.json",
                        "raw/launcher.jsonl",
                        "merged.json",
                        "monitor/node-0.jsonl",
                    )
                )
                for shift in (0, 2)
            )
        ),
    )
    def test_what_is_no_file_of_the_run_is_not_read(
        self, tmp_path: Path, name: str, what: str, harness: Callable
    ) -> None:
        run, victim = small_run(tmp_path / "run"), precious(tmp_path / "victim")
        victim.write_text('{"host": "the victim\'s"}\n')
        (run / name).parent.mkdir(exist_ok=True)
        (run / name).unlink(missing_ok=True)
        LAID[what](run / name, victim)
        done = harness("report", str(run), timeout=60)
        assert done.returncode in (0, 2), done.stderr
        assert "Traceback" not in done.stderr
        assert "the victim" not in "".join(
            path.read_text() for path in run.glob("report.*") if path.suffix in (".md", ".html")
        )
        if name.startswith("raw/"):
            assert f"Not read: {name}" in " ".join(done.stdout.split())

    @pytest.mark.parametrize("name", ["raw", "monitor"])
    def test_folders_that_are_links_are_not_entered(self, tmp_path: Path, name: str) -> None:
        run, elsewhere = small_run(tmp_path / "run"), small_run(tmp_path / "elsewhere")
        (elsewhere / "monitor").mkdir()
        shutil.rmtree(run / name, ignore_errors=True)
        (run / name).symlink_to(elsewhere / name)
        if name == "raw":
            with pytest.raises(Exception, match="run directory"):
                load_run(run)
        else:
            assert any("link" in note for note in load_run(run).notes)

    def test_a_file_that_is_all_one_line_takes_no_more_memory_than_a_line(self, tmp_path: Path) -> None:
        run = small_run(tmp_path / "run")
        before = len(load_run(run).points)
        with (run / "raw" / "x-rank0.jsonl").open("wb") as file:
            file.truncate(64 * beneath.LONGEST_LINE)
        raw = RawFiles(run)
        assert not list(raw.records("x-rank0.jsonl"))
        assert raw.skipped == {"long": 1}
        assert len(load_run(run).points) == before

    @pytest.mark.parametrize("depth", [50, 900, 200_000])
    def test_a_line_nested_without_end_is_no_record(self, tmp_path: Path, depth: int) -> None:
        run = small_run(tmp_path / "run")
        point = next(r for r in lines_of(run)["launcher.jsonl"] if r["type"] == "point")
        line = json.dumps({**point, "key": "deep"}).replace(
            '"axes": {', '"axes": {"depth": ' + "[" * depth + "]" * depth + ", "
        )
        with (run / "raw" / "launcher.jsonl").open("a") as file:
            file.write(line + "\n")
        raw = RawFiles(run)
        raw.launcher()
        assert sum(raw.skipped.values()) == 1
        assert len(load_run(run).points) == 2

    def test_an_environment_nested_without_end_is_none(self, tmp_path: Path) -> None:
        for depth in (plain.DEEPEST + 1, 900, 200_000):
            (tmp_path / "x.json").write_text('{"a":' * depth + "1" + "}" * depth)
            assert plain.read_json(tmp_path / "x.json") is None


class TestConfig:
    def refused(self, harness: Callable, run: Path, text: str, *more: str) -> str:
        (run / "config.yaml").write_text(text)
        done = harness("sweep", f"resume={run}", *more, timeout=60, SECRET="very secret")
        assert done.returncode == 2, done.stdout + done.stderr
        assert "very secret" not in done.stdout + done.stderr
        assert len(done.stderr.splitlines()) == 1, done.stderr
        return str(done.stderr)

    def test_an_alias_is_refused_so_that_none_can_multiply(self, harness: Callable, tmp_path: Path) -> None:
        run = small_run(tmp_path / "run")
        bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x]\n" + "".join(
            f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12)
        )
        assert "an alias" in self.refused(harness, run, bomb)
        assert harness("report", str(run), timeout=60).returncode == 2

    @pytest.mark.parametrize("key", one_quick("name", "out", "dtype", "exclude"))
    @pytest.mark.parametrize(
        "text", one_quick("${oc.env:SECRET}", "${oc.env:HOME,${oc.env:SECRET}}", "${.name}", "???")
    )
    def test_nothing_in_it_is_filled_in(self, harness: Callable, tmp_path: Path, key: str, text: str) -> None:
        run = small_run(tmp_path / "run")
        held = yaml.safe_load((run / "config.yaml").read_text())
        value = {"dtype": [text], "exclude": [{"mode": text}]}.get(key, text)
        assert "interpolation" in self.refused(harness, run, yaml.safe_dump({**held, key: value}))

    @pytest.mark.parametrize(
        "text",
        one_quick(
            *("!!python/object/apply:os.system ['touch pwned']", "2020-01-01", "- 1", "x: !!binary aGk="),
            *("x: !!int ''", "x: !!bool foo", "x: !!set {a}", "2020-01-01: x", "x: 0x" + "f" * 20_000),
            "x: 1" + ":1" * 300 + ".5",
        ),
        ids=lambda text: text[:20],
    )
    def test_what_yaml_can_say_beside_plain_data_is_refused(
        self, harness: Callable, tmp_path: Path, text: str
    ) -> None:
        self.refused(harness, small_run(tmp_path / "run"), text)
        assert not (tmp_path / "pwned").exists()

    @pytest.mark.parametrize("key", one_quick("name", "scaling", "mode", "controller", "shard"))
    def test_a_value_that_is_refused_is_no_order_to_the_terminal(
        self, harness: Callable, tmp_path: Path, key: str
    ) -> None:
        run = small_run(tmp_path / "run")
        held = yaml.safe_load((run / "config.yaml").read_text())
        order = "\x1b[2J"
        said = self.refused(
            harness, run, yaml.safe_dump({**held, key: [order] if isinstance(held[key], list) else order})
        )
        assert "\x1b" not in said and "?[2J" in said

    def test_a_model_without_end_is_not_planned(self, harness: Callable, tmp_path: Path) -> None:
        run = small_run(tmp_path / "run")
        held = yaml.safe_load((run / "config.yaml").read_text())
        assert "depth=99999999999" in self.refused(
            harness, run, yaml.safe_dump({**held, "depth": [99_999_999_999]})
        )

    def test_a_large_one_is_refused_before_it_is_parsed(self, harness: Callable, tmp_path: Path) -> None:
        assert "larger than" in self.refused(
            harness, small_run(tmp_path / "run"), "x: " + "y" * plain.LARGEST_YAML
        )

    @pytest.mark.long
    def test_a_module_that_it_names_is_not_imported_unless_named_again(
        self, harness: Callable, tmp_path: Path
    ) -> None:
        (tmp_path / "evil.py").write_text("from pathlib import Path\nPath('pwned').touch()\n")
        run = small_run(tmp_path / "run", plugins=["evil"])
        path = {"PYTHONPATH": str(tmp_path)}
        done = harness("sweep", f"resume={run}", **path)
        assert done.returncode == 2
        assert "plugins=[evil]" in done.stderr
        other = harness("sweep", f"resume={run}", "plugins=[another]", **path)
        assert other.returncode == 2
        assert not (tmp_path / "pwned").exists()
        assert harness("sweep", f"resume={run}", "plugins=[evil]", "dry_run=true", **path).returncode == 0
        assert (tmp_path / "pwned").exists(), "named by the user it is"

    def test_a_model_that_it_names_is_not_imported_unless_named_again(
        self, harness: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        touch = "from pathlib import Path\nPath('pwned').touch()\n"
        (tmp_path / "evil_model.py").write_text(f"{touch}def build(): ...\ndef inputs(batch): ...\n")
        run = small_run(tmp_path / "run")
        held = yaml.safe_load((run / "config.yaml").read_text())
        held |= {"depth": None, "width": None}
        held["model"] |= {"name": "custom", "target": "evil_model:build", "inputs": "evil_model:inputs"}
        (run / "config.yaml").write_text(yaml.safe_dump(held))
        path = {"PYTHONPATH": str(tmp_path)}
        done = harness("sweep", f"resume={run}", **path)
        assert done.returncode == 2
        assert "model.target=evil_model:build" in done.stderr
        half = harness("sweep", f"resume={run}", "model.target=evil_model:build", **path)
        assert half.returncode == 2
        assert "model.inputs=evil_model:inputs" in half.stderr
        assert not (tmp_path / "pwned").exists()
        named = ["model.target=evil_model:build", "model.inputs=evil_model:inputs", "dry_run=true"]
        assert harness("sweep", f"resume={run}", *named, **path).returncode == 0
        assert (tmp_path / "pwned").exists(), "named by the user it is"

    def test_options_of_srun_that_it_names_hold_only_when_named_again(
        self, harness: Callable, tmp_path: Path
    ) -> None:
        run = small_run(tmp_path / "run")
        held = yaml.safe_load((run / "config.yaml").read_text())
        held["launcher"].update(kind="slurm", srun_args=["--task-prolog=/tmp/evil"])
        text = yaml.safe_dump(held)
        named = "launcher.srun_args=['--task-prolog=/tmp/evil']"
        assert named in self.refused(harness, run, text)
        again = self.refused(harness, run, text, named)
        assert "within a SLURM job" in again or "node of a SLURM job" in again

    def test_an_interpreter_that_it_names_holds_only_when_named_again(
        self, harness: Callable, tmp_path: Path
    ) -> None:
        run, evil = small_run(tmp_path / "run"), tmp_path / "evil"
        evil.write_text(f"#!/bin/sh\ntouch {tmp_path}/pwned\nexit 1\n")
        evil.chmod(0o700)
        held = yaml.safe_load((run / "config.yaml").read_text())
        held["environment"] = {"mine": {"python": str(evil)}}
        refused = self.refused(harness, run, yaml.safe_dump(held))
        assert f"environment={{mine: {{python: '{evil}'}}}}" in refused
        assert not (tmp_path / "pwned").exists()


class TestWriting:
    """A sweep that goes on there: refused or done, and the victim as it was."""

    @pytest.mark.parametrize(
        ("name", "what"),
        [
            # Each of them in two ways, each way on two of them: a sweep that is refused takes ten seconds.
            (name, ways[(place + shift) % len(ways)])
            for ways in [("a link", "a link to nowhere", "a hard link", "a FIFO")]
            for place, name in enumerate((".lock", "harness.log", ".harness-made", "raw/launcher.jsonl"))
            for shift in (0, 2)
        ],
    )
    @pytest.mark.long
    def test_what_would_be_appended_to_or_emptied_is_refused(
        self, harness: Callable, run: Path, tmp_path: Path, name: str, what: str
    ) -> None:
        victim = precious(tmp_path / "victim")
        (run / name).unlink()
        LAID[what](run / name, victim)
        done = harness("sweep", f"resume={run}", timeout=60)
        assert done.returncode in (1, 2), done.stdout + done.stderr
        assert re.search(r"link|plain file|second name|did not make", done.stderr), done.stderr
        assert len(done.stderr.splitlines()) == 1
        assert victim.read_text() == PRECIOUS
        assert not (tmp_path / "not there yet").exists()

    @pytest.mark.long
    def test_everything_at_once_is_written_around(self, harness: Callable, run: Path, tmp_path: Path) -> None:
        """Files that are written whole replace a link; folders and logs that are links are not followed."""
        victims = tmp_path / "victims"
        for name in ("environment.json.partial", "spec.json", "log", "samples", "csv", "page"):
            precious(victims / name)
        precious(victims / "folder" / "speedup-1-device.svg")
        before = contents(victims)
        for path in (run / "raw").glob("*rank*"):
            path.unlink()  # so that there is something to measure
        shutil.rmtree(run / "monitor")
        shutil.rmtree(run / "figures")
        shutil.rmtree(run / "sessions")
        (run / "monitor").mkdir()
        for name in ("environment.json", "points.csv", "report.html"):
            (run / name).unlink()
        (run / "environment.json.partial").symlink_to(victims / "environment.json.partial")
        (run / "monitor" / "node-0.spec.json").symlink_to(victims / "spec.json")
        (run / "monitor" / "node-0.log").symlink_to(victims / "log")
        (run / "monitor" / "node-0.jsonl").symlink_to(victims / "samples")
        (run / "points.csv").symlink_to(victims / "csv")
        (run / "report.html").symlink_to(victims / "page")
        (run / "figures").symlink_to(victims / "folder")
        (run / "sessions").symlink_to(victims / "folder")
        done = harness("sweep", f"resume={run}")
        assert "Traceback" not in done.stderr
        assert contents(victims) == before
        (run / "sessions").unlink()
        done = harness("sweep", f"resume={run}")
        assert done.returncode == 1, "its page has no place: figures/ is a link"
        assert len(done.stderr.splitlines()) == 1, done.stderr
        assert "figures/modes.svg: a link" in done.stderr
        assert contents(victims) == before
        assert len(list((run / "raw").glob("*rank*"))) == 1, "the points were measured all the same"

    @pytest.mark.long
    def test_a_page_that_cannot_be_written_costs_one_line_and_no_measurement(
        self, harness: Callable, run: Path
    ) -> None:
        (run / "report.md").unlink()
        (run / "report.md").mkdir()
        done = harness("sweep", f"resume={run}")
        assert done.returncode == 1
        assert len(done.stderr.splitlines()) == 1, done.stderr
        assert f"harness report {run}" in done.stderr

    @pytest.mark.parametrize("folder", ["raw", "monitor"])
    def test_records_go_through_no_link(self, tmp_path: Path, folder: str) -> None:
        (tmp_path / "run").mkdir()
        (tmp_path / "elsewhere").mkdir()
        (tmp_path / "run" / folder).symlink_to(tmp_path / "elsewhere")
        with pytest.raises(beneath.NotPlain, match="link"):
            Writer(tmp_path / "run" / folder / "x.jsonl")
        assert not list((tmp_path / "elsewhere").iterdir())


@pytest.mark.long
def test_what_a_run_directory_says_is_no_order_to_a_terminal(harness: Callable, tmp_path: Path) -> None:
    run = small_run(tmp_path / "run")
    launcher = run / "raw" / "launcher.jsonl"
    order = "\x1b]0;owned\x07\x1b[2J\r"
    key = next(r["key"] for r in lines_of(run)["launcher.jsonl"] if r["type"] == "point")
    (run / "raw" / "processes-1-try1-rank0.jsonl").unlink()
    with launcher.open("a") as file:
        file.write(
            json.dumps({"type": "outcome", "key": key, "status": "failed", "error": order + "x"}) + "\n"
        )
    (run / "merged.json").write_text(json.dumps({"notes": [order]}))
    config = yaml.safe_load((run / "config.yaml").read_text())
    (run / "config.yaml").write_text(yaml.safe_dump({**config, "name": order}))
    done = harness("report", str(run))
    assert done.returncode == 0, done.stderr
    assert not set("\x1b\x07\r") & set(done.stdout + done.stderr)
    refused = harness("sweep", f"resume={run}")
    assert refused.returncode == 2
    assert not set("\x1b\x07\r") & set(refused.stdout + refused.stderr)


class TestBeneath:
    def test_a_path_that_leads_out_of_its_folder_is_refused(self, tmp_path: Path) -> None:
        precious(tmp_path / "victim")
        (tmp_path / "run").mkdir()
        for path in ("../victim", "x/../../victim"):
            with pytest.raises(OSError):
                beneath.read(tmp_path / "run", path, 100)

    def test_the_folder_itself_may_be_reached_by_a_link(self, tmp_path: Path) -> None:
        """It is the user's word."""
        small_run(tmp_path / "run")
        (tmp_path / "latest").symlink_to(tmp_path / "run")
        assert len(load_run(tmp_path / "latest").points) == 2

    @pytest.mark.skipif(sys.platform != "linux", reason="/proc")
    def test_no_descriptor_is_left_open(self, tmp_path: Path) -> None:
        precious(tmp_path / "run" / "raw" / "x")
        (tmp_path / "run" / "raw" / "link").symlink_to("x")
        os.mkfifo(tmp_path / "run" / "raw" / "fifo")
        before = len(list(Path("/proc/self/fd").iterdir()))
        for name in ("raw/x", "raw/link", "raw/fifo", "raw", "nothing", "raw/x/y"):
            with contextlib.suppress(OSError):
                os.close(beneath.open_file(tmp_path / "run", name))
        beneath.replace(tmp_path / "run", "a/b/c", b"1")
        beneath.remove(tmp_path / "run", "a/b/c")
        assert len(list(Path("/proc/self/fd").iterdir())) == before
