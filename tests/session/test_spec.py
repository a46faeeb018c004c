"""The session file: the ranks read exactly what the launcher wrote."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from harness.environments.document import named_environment
from harness.plan.config import Config, TimingConfig
from harness.plan.inventory import Inventory
from harness.plan.layout import make_plan
from harness.session.spec import SessionSpec


def spec(tmp_path: Path) -> SessionSpec:
    config = Config(depth=[2, 3], width=[8], batch=[1, 4], in_features=5, workload=["forward", "train"])
    (session,) = make_plan(config, Inventory("cpu", 2, "x", 2)).sessions
    return SessionSpec(
        id="processes-1-try1",
        draw=12345,
        cells=session.cells,
        nulls=(session.cells[0].id,),
        controller=session.controller,
        devices=session.devices,
        device_kind="cpu",
        threads=2,
        affinity=False,
        usage=True,
        window_s=0.5,
        seed=7,
        timing=TimingConfig(block_ms=3.5, rounds=77),
        plugins=("my_modes", "theirs"),
        raw=tmp_path / "a run of mine" / "raw",
        store=tmp_path / "store",
        revision="0123456789ab",
    )


def test_a_session_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    before = spec(tmp_path)
    before.save(tmp_path / "session.json")
    after = SessionSpec.load(tmp_path / "session.json")
    assert after == before
    # Keys are what the launcher looks for in the records.
    assert [p.key for c in after.cells for p in c.points] == [p.key for c in before.cells for p in c.points]
    assert [c.id for c in after.cells] == [c.id for c in before.cells]


def test_environments_are_read_back_with_every_one_of_their_keys(tmp_path: Path) -> None:
    named = tuple(map(named_environment, ("here", "cntk", "chainer", "keras", "torch-2.13-cpu")))
    before = replace(spec(tmp_path), environments=named)
    before.save(tmp_path / "session.json")
    assert SessionSpec.load(tmp_path / "session.json").environments == named


def test_ranks_that_meet_in_torchruns_store_have_no_file(tmp_path: Path) -> None:
    before = replace(spec(tmp_path), store=None)
    before.save(tmp_path / "session.json")
    assert SessionSpec.load(tmp_path / "session.json") == before


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"cells": [], "timing": {"nonsense": 1}}', "\x00"])
def test_a_file_that_is_no_session_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "session.json").write_text(text)
    with pytest.raises((ValueError, KeyError, TypeError)):
        SessionSpec.load(tmp_path / "session.json")


def test_a_session_of_another_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "session.json"
    spec(tmp_path).save(path)
    path.write_text(json.dumps({**json.loads(path.read_text()), "added_later": 1}))
    with pytest.raises(TypeError, match="added_later"):
        SessionSpec.load(path)
