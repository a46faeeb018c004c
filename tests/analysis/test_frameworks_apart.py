"""Frameworks and styles of points, as records say them; and how a mode was saved."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pandas as pd
import pytest
from raw_runs import RawRun, cell_of

from harness.analysis.environments import notes_on_environments
from harness.analysis.run import load_run
from harness.plan.points import Cell
from harness.sweep.announce import point_record

STEP_NS = {"eager": 4000, "eager in jax": 8000, "jit in jax": 1000, "graph in cntk": 2000}


def both() -> Cell:
    (usual,) = cell_of(("eager",)).points
    others = (("jax", "eager"), ("jax", "jit"), ("cntk", "graph"))
    return Cell((usual, *(replace(usual, environment=name, mode=mode) for name, mode in others)))


def measured(raw: RawRun, cell: Cell, **saved: Any) -> pd.DataFrame:
    for point in cell.points:
        framework = "torch" if point.environment == "here" else point.environment
        raw.launcher("point", **point_record(point, framework=framework))
    (writer,) = raw.begin("s")
    writer.write("environment", environment="jax", facts={"framework": "jax 0.10.0", "python": "3.11.7"})
    writer.write("cell", cell=cell.id, keys={p.name: p.key for p in cell.points})
    for number in range(4):
        blocks = []
        for point in cell.points:
            end = raw.now_ns + 100 * STEP_NS[point.name]
            wall = end - raw.now_ns
            used = {"cpu_ns": wall, "main_ns": wall // 2, "waits": 0, "preemptions": 0}
            blocks.append({"key": point.key, "steps": 100, "start_ns": raw.now_ns, "end_ns": end, **used})
            raw.now_ns = end + 1000
        writer.write("round", cell=cell.id, round=number, blocks=blocks)
    writer.write("end", cell=cell.id, stop="complete", keys=[p.key for p in cell.points], share=1.0)
    for point in cell.points:
        if point.name in saved:
            writer.write("serialisation", cell=cell.id, key=point.key, **saved[point.name])
    writer.close()
    return load_run(raw.directory).points.set_index(["framework", "mode"], drop=False)


def test_every_point_has_the_framework_and_style_that_its_record_says(raw: RawRun) -> None:
    points = measured(raw, both())
    assert list(points["style"]) == ["imperative", "imperative", "hybrid", "symbolic"]
    assert points["framework_version"]["jax", "jit"] == "0.10.0"


def test_a_speed_up_is_over_the_same_frameworks_imperative_way_and_empty_without_one(raw: RawRun) -> None:
    points = measured(raw, both())
    assert points["speedup_vs_eager"]["jax", "jit"] == pytest.approx(8)
    assert pd.isna(points["speedup_vs_eager"]["cntk", "graph"])


def test_of_another_framework_the_imperative_way_alone_is_held_against_here(raw: RawRun) -> None:
    points = measured(raw, both())
    assert points["speedup_vs_here"]["jax", "eager"] == pytest.approx(0.5)
    assert points["speedup_vs_here"].notna().sum() == 1


def test_a_main_thread_that_waits_for_its_frameworks_own_had_a_core(raw: RawRun) -> None:
    """In all of these it ran for half of the time, and the process all of it."""
    loaded = measured(raw, both())["warnings"].str.contains("oversubscribed")
    assert loaded["torch", "eager"] and not loaded["jax"].any() and not loaded["cntk"].any()


def test_what_came_before_was_torch(raw: RawRun) -> None:
    cell = cell_of(("eager", "symbolic", "script", "mine"))
    for point in cell.points:
        record = point_record(replace(point, mode="eager")) | {"key": point.key}
        record["axes"] = {**record["axes"], "mode": point.mode}
        raw.launcher("point", **{k: v for k, v in record.items() if k not in ("framework", "style")})
        raw.outcome(point.key, "unsupported", "not today")
    points = load_run(raw.directory).points
    assert set(points["framework"]) == {"torch"}
    assert list(points["style"]) == ["imperative", "symbolic", "hybrid", ""]


def test_how_a_mode_was_saved_stands_in_its_row_and_why_another_was_not(raw: RawRun) -> None:
    saved = {"format": "jax.export", "bytes": 2048, "save_s": 0.25, "load_s": 0.5}
    points = measured(raw, both(), **{"jit in jax": saved, "eager in jax": {"error": "nothing to save"}})
    assert points["saved_as"]["jax", "jit"] == "jax.export" and points["saved_kib"]["jax", "jit"] == 2
    assert (points["save_s"]["jax", "jit"], points["load_s"]["jax", "jit"]) == (0.25, 0.5)
    assert points["saved_as"]["jax", "eager"] == "not saved: nothing to save"
    assert points["saved_as"]["cntk", "graph"] == "" and points["saved_kib"].notna().sum() == 1


def test_builds_are_held_against_those_of_the_same_framework_alone() -> None:
    torch = {"framework": "torch 2.14.1", "mkl": "2024.2", "threads": "1"}
    others = {"j": {"framework": "jax 0.10.0", "threads": "1"}, "t": {**torch, "mkl": "2023.1"}}
    said = "\n".join(notes_on_environments({"here": torch, "j": others["j"]}))
    assert "builds differ" not in said and "not set up alike" not in said
    said = "\n".join(notes_on_environments({"here": torch, **others}))
    assert "builds differ in: mkl (2024.2, 2023.1)" in said
    said = "\n".join(notes_on_environments({"here": torch, "j": {**others["j"], "threads": "2"}}))
    assert "not set up alike: threads (1, 2)" in said


def test_two_that_are_the_same_interpreter_are_named() -> None:
    facts = {
        "executable": "/mine/bin/python",
        "python": "3.12.1",
        "framework": "torch 2.13.0",
        "variables": "",
    }
    same = {"a": facts, "b": {**facts, "executable": "/mine/bin/python3"}}
    other = {
        "c": {**facts, "executable": "/other/bin/python"},
        "d": {**facts, "variables": "OMP_NUM_THREADS=1"},
    }
    said = [note for note in notes_on_environments({**same, **other}) if "same interpreter" in note]
    assert said == ["a, b are the same interpreter under the same variables: what they differ by is chance."]
    nothing = {"e": {"framework": "torch"}, "f": {"framework": "torch"}}
    assert not any("same interpreter" in note for note in notes_on_environments({**other, **nothing}))
