"""Shards of a sweep to one run: what belongs together, what is refused, and which nodes are slow."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import yaml
from raw_runs import RawRun, cell_of, key_of

from harness.analysis.run import load_run
from harness.core.errors import ConfigError
from harness.plan.config import Config
from harness.records.merge import merge
from harness.records.merged import MERGED_FILE
from harness.records.node_speeds import node_speeds
from harness.sweep.announce import point_record

REFERENCE = cell_of()
CELLS = [REFERENCE, cell_of(batch=20), cell_of(batch=30), cell_of(batch=40)]
ENVIRONMENT = {
    "device_kind": "cpu",
    "device_name": "Test device",
    "python": "3.11.1",
    "torch": {"torch": "2.14"},
}


def shard(
    path: Path,
    number: int,
    shards: int = 2,
    *,
    node: str = "n1",
    factor: float = 1.0,
    environment: dict[str, Any] | None = None,
    **changed: Any,
) -> Path:
    """A shard's run directory: the reference cell and every second other; factor: how slow its node is."""
    path.mkdir(parents=True)
    run = RawRun(path)
    own = [REFERENCE, *CELLS[number::shards]]
    for cell in own:
        for point in cell.points:
            place = CELLS.index(cell) * 2 + cell.points.index(point)
            run.launcher("point", **point_record(point), place=place)
    writers = run.begin(f"shard-{number}of{shards}-processes-1-try1", node=node)
    for cell in own:
        run.measure(
            writers,
            cell,
            step_ns=lambda mode, rank, n: round(factor * ({"eager": 3000}.get(mode, 1000) + n)),
        )
    config = asdict(Config(**{"depth": [2], "width": [8], **changed}, shard=f"{number}/{shards}"))
    (path / "config.yaml").write_text(yaml.safe_dump(config))
    (path / "environment.json").write_text(json.dumps({**ENVIRONMENT, **(environment or {})}))
    return path


def test_the_merged_run_has_every_point_once_in_the_order_of_the_plan(tmp_path: Path) -> None:
    shards = [shard(tmp_path / str(n), n) for n in (2, 1)]
    merge(shards, tmp_path / "all")
    points = load_run(tmp_path / "all").points
    assert list(points["key"]) == [key_of(cell, mode) for cell in CELLS for mode in ("eager", "script")]
    assert set(points["status"]) == {"ok"}
    assert yaml.safe_load((tmp_path / "all" / "config.yaml").read_text())["shard"] is None


def test_what_a_shard_has_and_the_merged_run_has_not_is_told(tmp_path: Path) -> None:
    shards = [shard(tmp_path / str(n), n) for n in (1, 2)]
    launcher = shards[1] / "raw" / "launcher.jsonl"
    launcher.write_text(launcher.read_text().replace('"batch":30', '"batch":"30"') + '{"type":"poi')
    (shards[0] / "raw" / "linked.jsonl").symlink_to(launcher)
    merge(shards, tmp_path / "all")
    notes = load_run(tmp_path / "all").notes
    assert "Of shard 1 not merged: raw/linked.jsonl: a link, which is not followed." in notes
    (note,) = (note for note in notes if note.startswith("Of shard 2"))
    assert "Of shard 2, 3 lines of raw/launcher.jsonl are not in the merged run" in note
    assert "1 cut off" in note and "`point` records with axes.batch" in note


def test_a_run_can_be_merged_anew_when_a_shard_has_come(tmp_path: Path) -> None:
    first = shard(tmp_path / "1", 1)
    merge([first], tmp_path / "all")
    run = load_run(tmp_path / "all")
    assert len(run.points) == 6
    assert run.alarm == "Not there: shard 2 of 2; its points have no row."
    merge([first, shard(tmp_path / "2", 2)], tmp_path / "all")
    run = load_run(tmp_path / "all")
    assert len(run.points) == 8
    assert not any("Not there" in note for note in run.notes)


def test_samples_of_all_nodes_come_along(tmp_path: Path) -> None:
    shards = [shard(tmp_path / str(n), n) for n in (1, 2)]
    for each in shards:
        (each / "monitor").mkdir()
        (each / "monitor" / "node-0.jsonl").write_text("{}\n")
    merge(shards, tmp_path / "all")
    assert len(list((tmp_path / "all" / "monitor").glob("node-*.jsonl"))) == 2


class TestLeftOut:
    """One shard that does not belong to the others costs its own points, not the report of all."""

    def notes(self, shards: list[Path], out: Path) -> str:
        assert not merge(shards, out), "what is partial must not pass for done"
        run = load_run(out)
        assert len(run.points) == 6
        assert run.alarm.startswith("Not there: shard 2 of ")
        return "\n".join(run.notes)

    def test_of_another_sweep(self, tmp_path: Path) -> None:
        shards = [shard(tmp_path / "1", 1), shard(tmp_path / "2", 2, seed=3)]
        said = self.notes(shards, tmp_path / "all")
        assert f"shard 2 ({tmp_path / '2'}), of another sweep than most (seed: 3 there, 0 here)" in said

    def test_of_another_division(self, tmp_path: Path) -> None:
        shards = [shard(tmp_path / "1", 1), shard(tmp_path / "2", 2, 3)]
        assert "shard: 'i/3' there, 'i/2' here" in self.notes(shards, tmp_path / "all")

    @pytest.mark.parametrize(
        "unlike", [{"device_name": "Another"}, {"python": "3.12.0"}, {"torch": {"torch": "2.13"}}], ids=str
    )
    def test_measured_on_other_devices(self, tmp_path: Path, unlike: dict[str, Any]) -> None:
        shards = [shard(tmp_path / "1", 1), shard(tmp_path / "2", 2, environment=unlike)]
        assert "measured on other devices than most" in self.notes(shards, tmp_path / "all")

    def test_whatever_is_no_run_directory(self, tmp_path: Path) -> None:
        shards = [shard(tmp_path / str(n), n) for n in (1, 2)]
        (shards[1] / "config.yaml").unlink()
        assert f"Not merged: {shards[1]}: no shard's run directory" in self.notes(shards, tmp_path / "all")

    def test_those_that_are_fewer(self, tmp_path: Path) -> None:
        unlike = {"device_name": "Another"}
        shards = [shard(tmp_path / "1", 1, 3, environment=unlike)]
        shards += [shard(tmp_path / str(n), n, 3) for n in (2, 3)]
        assert not merge(shards, tmp_path / "all")
        assert json.loads((tmp_path / "all" / MERGED_FILE).read_text())["missing"] == [1]


def test_a_merge_that_was_broken_off_says_so_and_can_be_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shards = [shard(tmp_path / str(n), n) for n in (1, 2)]

    def killed(directory: Path) -> list[Any]:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr("harness.records.merge.node_speeds", killed)
        merge(shards, tmp_path / "all")
    assert "broken off" in load_run(tmp_path / "all").alarm
    assert merge(shards, tmp_path / "all")
    assert load_run(tmp_path / "all").alarm == ""


class TestRefusal:
    def test_a_shard_twice(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match="each shard once"):
            merge([shard(tmp_path / "1", 1), shard(tmp_path / "1b", 1)], tmp_path / "all")

    def test_a_run_that_is_no_shard(self, tmp_path: Path) -> None:
        path = shard(tmp_path / "1", 1)
        (path / "config.yaml").write_text("name: x\n")
        with pytest.raises(ConfigError, match="made with shard=i/n"):
            merge([path], tmp_path / "all")

    def test_to_write_over_a_run_that_was_measured(self, tmp_path: Path) -> None:
        shards = [shard(tmp_path / str(n), n) for n in (1, 2)]
        with pytest.raises(ConfigError, match="it holds a run"):
            merge(shards, shards[0])
        assert load_run(shards[0]).points["key"].any()


class TestNodes:
    def notes(self, tmp_path: Path, factor: float) -> list[str]:
        merge(
            [shard(tmp_path / "1", 1), shard(tmp_path / "2", 2, node="n2", factor=factor)], tmp_path / "all"
        )
        return json.loads((tmp_path / "all" / MERGED_FILE).read_text())["notes"]

    def test_a_node_that_is_slower_by_more_than_5_per_cent_is_named(self, tmp_path: Path) -> None:
        origin, note = self.notes(tmp_path, 1.08)
        assert origin.startswith("Merged from shard 1, 2 of 2; ")
        assert note.startswith("Node n2 is 8 % slower than the quickest node, by 2 points measured on both")
        assert note in load_run(tmp_path / "all").notes

    def test_a_node_that_is_slower_by_less_is_not(self, tmp_path: Path) -> None:
        assert self.notes(tmp_path, 1.03) == [
            "Merged from shard 1, 2 of 2; by the points that they share, nodes n1, n2 differ by 3.0 % at most."
        ]

    def test_what_is_within_the_noise_is_said_to_be(self, tmp_path: Path) -> None:
        run = RawRun(tmp_path / "run")
        run.plan(REFERENCE)
        for node, factor in (("n1", 1.0), ("n2", 1.1)):
            writers = run.begin(f"{node}-processes-1-try1", node=node)
            run.measure(writers, REFERENCE, step_ns=lambda m, r, n, f=factor: round(f * 1000 * (1 + n % 5)))
        n1, n2 = node_speeds(tmp_path / "run")
        assert (n1.slower, n2.slower, n2.sure) == (False, True, False)
        assert "within the noise" in n2.sentence

    def test_ranks_of_one_session_tell_nodes_apart(self, tmp_path: Path) -> None:
        run = RawRun(tmp_path / "run")
        cell = cell_of(devices=4)
        run.plan(cell)
        nodes = [{"node": name} for name in ("n1", "n1", "n2", "n2")]
        for number in (1, 2, 3):
            writers = run.begin(f"processes-4-try{number}", 4, nodes)
            run.measure(writers, cell, step_ns=lambda m, rank, n: 1000 + 200 * (rank == 3))
        n1, n2 = node_speeds(tmp_path / "run")
        assert (n1.node, n1.ratio) == ("n1", 1.0)
        assert n2.ratio == pytest.approx(1.2), "a node is as slow as its slowest rank"
        assert n2.sure

    def test_training_tells_nothing_as_all_wait_for_the_slowest(self, tmp_path: Path) -> None:
        run = RawRun(tmp_path / "run")
        cell = cell_of(devices=2, workload="train")
        run.plan(cell)
        run.measure(run.begin("processes-2-try1", 2, [{"node": "n1"}, {"node": "n2"}]), cell)
        assert node_speeds(tmp_path / "run") == []
