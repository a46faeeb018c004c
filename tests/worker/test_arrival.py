"""What a rank does before it loads torch."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from raw_runs import cell_of
from running import python_path

from harness.core.errors import HarnessError
from harness.core.files.revision import revision
from harness.plan.config import TimingConfig
from harness.session.progress import SOCKET_PATH, Listener
from harness.session.spec import SessionSpec
from harness.worker.arrival import arrive


@pytest.fixture
def spec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SessionSpec:
    for name, value in (("RANK", "5"), ("LOCAL_RANK", "1"), ("LOCAL_WORLD_SIZE", "2")):
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    monkeypatch.setattr("faulthandler.register", lambda *_, **__: None)
    return SessionSpec(
        id="s",
        draw=12345,
        cells=(cell_of(["eager"]),),
        nulls=(),
        controller="processes",
        devices=2,
        device_kind="cpu",
        threads=1,
        affinity=False,
        usage=True,
        window_s=0.0,
        seed=0,
        timing=TimingConfig(),
        plugins=(),
        raw=tmp_path / "raw",
        store=None,
        revision=revision(),
    )


def saved(spec: SessionSpec) -> str:
    file = spec.raw.parent / "session.json"
    spec.save(file)
    return str(file)


def test_a_rank_that_arrives_says_hello_and_knows_what_to_measure(
    spec: SessionSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    listener = Listener()
    try:
        monkeypatch.setenv(SOCKET_PATH, str(listener.path))
        arrival = arrive(saved(spec), 7)
        messages = [heard.message for heard in listener.receive()]
    finally:
        listener.close()
    assert messages == [{"event": "hello", "rank": 5}]
    assert (arrival.spec, arrival.started_ns, arrival.local_rank) == (spec, 7, 1)
    assert arrival.own_cores is None


def test_what_another_harness_has_planned_is_refused(spec: SessionSpec) -> None:
    """After its hello, so that the launcher does not wait for it."""
    with pytest.raises(HarnessError, match="started by another harness"):
        arrive(saved(replace(spec, revision="0" * 12)), 0)


def test_a_rank_arrives_without_torch() -> None:
    """Importing it takes seconds, in which the launcher wants to hear of the rank, and may be killed."""
    code = "import harness.worker.__main__, harness.worker.arrival, sys; sys.exit('torch' in sys.modules)"
    ended = subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": python_path()})
    assert ended.returncode == 0
