"""Files of others are neither replaced nor removed: only what the harness's own list says is ours."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml
from hostile import PRECIOUS, contents, precious, small_run
from running import TESTS, one_quick

from harness.core.errors import ConfigError
from harness.core.files.made import LIST, Made


class TestReport:
    @pytest.mark.parametrize("name", one_quick("points.csv", "report.html", "report.md", "figures/photo.png"))
    def test_a_folder_with_a_foreign_file_where_ours_would_go_is_refused(
        self, harness, tmp_path: Path, name: str
    ) -> None:
        run, paper = small_run(tmp_path / "run"), tmp_path / "paper"
        precious(paper / name)
        done = harness("report", str(run), "--out", "paper")
        assert done.returncode == 2
        assert "--out=paper" in done.stderr and name.split("/")[0] in done.stderr
        assert contents(paper) == {name: PRECIOUS.encode()}

    def test_a_copy_of_the_docs_keeps_its_figures(self, harness, tmp_path: Path) -> None:
        run, docs = small_run(tmp_path / "run"), tmp_path / "docs"
        shutil.copytree(TESTS.parent / "docs", docs)
        before = contents(docs)
        assert harness("report", str(run), "--out", "docs").returncode == 2
        assert contents(docs) == before

    @pytest.mark.long
    def test_what_else_lies_in_a_folder_is_left_alone(self, harness, tmp_path: Path) -> None:
        run, paper = small_run(tmp_path / "run"), tmp_path / "paper"
        precious(paper / "main.tex")
        assert harness("report", str(run), "--out", "paper").returncode == 0
        precious(paper / "figures" / "photo.png")
        precious(paper / "figures" / "speedup-by-hand.svg")
        again = harness("report", str(run), "--out", "paper")
        assert again.returncode == 0, again.stderr
        for name in ("main.tex", "figures/photo.png", "figures/speedup-by-hand.svg"):
            assert (paper / name).read_text() == PRECIOUS

    @pytest.mark.long
    def test_another_runs_directory_gets_no_page_that_tells_of_this_one(
        self, harness, tmp_path: Path
    ) -> None:
        run, other = small_run(tmp_path / "run"), small_run(tmp_path / "other")
        assert harness("report", str(other)).returncode == 0
        before = contents(other)
        assert harness("report", str(run), "--out", "other").returncode == 2
        assert harness("report", str(run), str(other), "--out", "other").returncode == 2
        assert contents(other) == before

    @pytest.mark.long
    def test_a_run_of_an_earlier_version_has_no_list_and_is_reported_again(
        self, harness, tmp_path: Path
    ) -> None:
        run = small_run(tmp_path / "run")
        assert harness("report", str(run)).returncode == 0
        (run / LIST).unlink()
        precious(run / "figures" / "photo.png")
        assert harness("report", str(run)).returncode == 0
        assert (run / "figures" / "photo.png").read_text() == PRECIOUS
        (run / LIST).unlink()
        Made(run, adopt=True).claim(".lock")
        assert harness("report", str(run)).returncode == 0, "whatever of the new version came to it first"

    @pytest.mark.parametrize(
        "name", one_quick("figures/../../victim", "../victim", "/victim", "figures/victim")
    )
    @pytest.mark.long
    def test_a_list_of_somebody_elses_making_reaches_no_further_than_its_folder(
        self, harness, tmp_path: Path, name: str
    ) -> None:
        run, out, victim = small_run(tmp_path / "run"), tmp_path / "out", precious(tmp_path / "victim")
        (out / "figures").mkdir(parents=True)
        (out / "figures" / "victim").symlink_to(victim)
        named = name.replace("/victim", str(victim)) if name.startswith("/") else name
        (out / LIST).write_text(f"figures/\n{named}\n")
        assert harness("report", str(run), "--out", "out").returncode == 0
        assert victim.read_text() == PRECIOUS


class TestPredict:
    def test_a_foreign_table_is_not_replaced(self, tmp_path: Path) -> None:
        from harness.analysis.run import load_run
        from harness.report.destination import destination

        run = load_run(small_run(tmp_path / "run"))
        precious(tmp_path / "out" / "predicted.csv")
        with pytest.raises(ConfigError, match=r"predicted\.csv"):
            destination([run], tmp_path / "out", "predicted.csv", "figures/")
        assert contents(tmp_path / "out") == {"predicted.csv": PRECIOUS.encode()}


class TestMerge:
    @pytest.fixture
    def shards(self, tmp_path: Path) -> list[str]:
        folders = []
        for number in (1, 2):
            folder = small_run(tmp_path / f"shard-{number}of2", shard=f"{number}/2")
            (folder / "monitor").mkdir()
            (folder / "monitor" / "node-0.jsonl").write_text("")
            folders.append(str(folder))
        return folders

    @pytest.mark.parametrize(
        "name",
        one_quick(
            "monitor/notes.txt",
            "config.yaml",
            "environment.json",
            "raw/notes.jsonl",
            "merged.json",
            "points.csv",
        ),
    )
    def test_a_folder_with_a_foreign_file_where_ours_would_go_is_refused(
        self, harness, tmp_path: Path, shards: list[str], name: str
    ) -> None:
        precious(tmp_path / "out" / name)
        done = harness("merge", *shards, "--out", "out")
        assert done.returncode == 2, done.stdout
        assert (tmp_path / "out" / name).read_text() == PRECIOUS
        if name != "points.csv":  # which is the report's: the merge itself was not refused
            assert contents(tmp_path / "out") == {name: PRECIOUS.encode()}, (
                "nothing is claimed by what is refused"
            )

    @pytest.mark.long
    def test_a_merged_run_is_merged_again_and_what_else_lies_there_stays(
        self, harness, tmp_path: Path, shards: list[str]
    ) -> None:
        precious(tmp_path / "out" / "notes.txt")
        for _ in range(2):
            done = harness("merge", *shards, "--out", "out")
            assert done.returncode == 0, done.stderr
        assert (tmp_path / "out" / "notes.txt").read_text() == PRECIOUS
        names = {path.name for path in (tmp_path / "out" / "raw").iterdir()}
        assert names == {"launcher.jsonl", "processes-1-try1-rank0.jsonl"}

    @pytest.mark.long
    def test_a_foreign_file_that_came_later_is_not_removed(
        self, harness, tmp_path: Path, shards: list[str]
    ) -> None:
        assert harness("merge", *shards, "--out", "out").returncode == 0
        victim = precious(tmp_path / "out" / "monitor" / "mine.jsonl")
        assert harness("merge", *shards, "--out", "out").returncode == 2
        assert victim.read_text() == PRECIOUS

    def test_what_a_link_in_a_shard_leads_to_is_not_copied(
        self, harness, tmp_path: Path, shards: list[str]
    ) -> None:
        secret = precious(tmp_path / "secret")
        (Path(shards[0]) / "raw" / "processes-9-try1-rank0.jsonl").symlink_to(secret)
        assert harness("merge", *shards, "--out", "out").returncode == 0
        assert PRECIOUS.encode() not in contents(tmp_path / "out").values()


class TestExport:
    @pytest.mark.parametrize("name", ["model.pt", "model.pt.reference"])
    def test_a_file_that_no_export_made_is_not_replaced(self, harness, tmp_path: Path, name: str) -> None:
        precious(tmp_path / name)
        done = harness("export", "depth=2", "width=8", "--mode", "script", "--out", "model.pt")
        assert done.returncode == 2
        assert "--out=model.pt" in done.stderr
        assert contents(tmp_path) == {name: PRECIOUS.encode()}

    @pytest.mark.long
    def test_an_export_is_made_anew(self, harness) -> None:
        for _ in range(2):
            done = harness("export", "depth=2", "width=8", "--mode", "script", "--out", "model.pt")
            assert done.returncode == 0, done.stderr


class TestSweep:
    @pytest.mark.parametrize(
        "name", [".lock", "harness.log", "x.partial", "config.yaml.partial", "owner.1.json", "raw/x"]
    )
    def test_a_folder_that_no_start_has_made_is_refused_whatever_its_files_are_called(
        self, harness, tmp_path: Path, name: str
    ) -> None:
        precious(tmp_path / "mine" / name)
        done = harness("sweep", "sweep=smoke", "out=mine")
        assert done.returncode == 2
        assert "other files" in done.stderr or "held by" in done.stderr
        assert contents(tmp_path / "mine") == {name: PRECIOUS.encode()}


class TestList:
    def test_a_name_is_on_the_list_before_its_file_is_there(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Killed in between, the next report must not take its own file for somebody else's."""

        def killed(*_: object) -> None:
            assert "points.csv" in Made(tmp_path)
            raise KeyboardInterrupt

        monkeypatch.setattr("harness.core.files.beneath.replace", killed)
        with pytest.raises(KeyboardInterrupt):
            Made(tmp_path).write("points.csv", b"x")

    def test_a_line_that_a_kill_cut_off_spoils_no_other(self, tmp_path: Path) -> None:
        (tmp_path / LIST).write_text("\npoints.csv\n\nreport.h")
        Made(tmp_path).claim("report.md")
        assert {"points.csv", "report.md"} <= {
            name for name in ("points.csv", "report.md") if name in Made(tmp_path)
        }

    def test_removing_takes_a_link_and_not_what_it_leads_to(self, tmp_path: Path) -> None:
        victim = precious(tmp_path / "victim")
        made = Made(tmp_path / "out")
        made.write("old.svg", b"x")
        (tmp_path / "out" / "old.svg").unlink()
        (tmp_path / "out" / "old.svg").symlink_to(victim)
        made.remove(["old.svg", "never made"])
        assert victim.read_text() == PRECIOUS
        assert not (tmp_path / "out" / "old.svg").is_symlink()


def test_a_config_that_was_measured_is_what_a_merge_writes(harness, tmp_path: Path) -> None:
    """So that the tests above refuse for the right reason: the same shards into a new folder are merged."""
    folders = [str(small_run(tmp_path / f"s{n}", shard=f"{n}/2")) for n in (1, 2)]
    assert harness("merge", *folders, "--out", "new").returncode == 0
    assert yaml.safe_load((tmp_path / "new" / "config.yaml").read_text())["shard"] is None
