"""What earlier sweeps found of a machine is kept for it, and is never needed."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.core.stats.spread import Spread, Spreads
from harness.machine.spreads import FILE, state_directory, store_spreads, stored_spreads

HERE = {"host": "a", "device_kind": "cpu", "device_name": "x"}
THERE = {**HERE, "host": "b"}
SPREADS, OTHERS = (Spreads(Spread(sd, 4.0), Spread(sd / 2, 4.0)) for sd in (0.02, 0.03))


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state" / "harness"


def test_each_machine_has_its_own_and_the_last_sweep_counts() -> None:
    assert stored_spreads(HERE) is None
    store_spreads(HERE, OTHERS)
    store_spreads(HERE, SPREADS)
    store_spreads(THERE, OTHERS)
    assert stored_spreads(HERE) == SPREADS
    assert stored_spreads(THERE) == OTHERS


@pytest.mark.parametrize(
    "content", ["", "[1]", '{"a / cpu / x": 7}', '{"a / cpu / x": {"time": {}}}', "\x00"]
)
def test_a_file_that_holds_something_else_is_nothing_known(state: Path, content: str) -> None:
    state.mkdir(parents=True)
    (state / FILE).write_text(content)
    assert stored_spreads(HERE) is None
    store_spreads(HERE, SPREADS)
    assert stored_spreads(HERE) == SPREADS


def test_where_nothing_can_be_written_nothing_fails(state: Path) -> None:
    state.parent.mkdir(parents=True)
    state.write_text("a file where the folder would be")
    store_spreads(HERE, SPREADS)
    assert stored_spreads(HERE) is None


def test_it_is_for_this_user_alone(state: Path) -> None:
    store_spreads(HERE, SPREADS)
    assert state.stat().st_mode & 0o077 == 0


def test_a_link_is_not_written_through(state: Path, tmp_path: Path) -> None:
    state.mkdir(parents=True)
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (state / FILE).symlink_to(victim)
    store_spreads(HERE, SPREADS)
    assert victim.read_text() == "precious"


def test_a_relative_state_home_is_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", "somewhere")
    assert state_directory() == Path("~/.local/state/harness").expanduser()
