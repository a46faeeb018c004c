"""What earlier sweeps found of a machine is kept for it, and is never needed."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from harness.core.stats.spread import ASSUMED_DRIFT, Earlier, Spread, Spreads
from harness.machine.spreads import FILE, KEPT_SWEEPS, earlier_sweeps, keep_sweep, state_directory

HERE = {"host": "a", "device_kind": "cpu", "device_name": "x"}
THERE = {**HERE, "host": "b"}
SPREADS, OTHERS = (Spreads(Spread(sd, 4.0), Spread(sd / 2, 4.0)) for sd in (0.02, 0.03))

# What is known of a machine at first.
NEW_HERE = Earlier(None, ASSUMED_DRIFT)


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state" / "harness"


def test_each_machine_has_its_own_and_the_last_sweep_counts() -> None:
    assert earlier_sweeps(HERE) == NEW_HERE
    keep_sweep(HERE, OTHERS, [])
    keep_sweep(HERE, SPREADS, [])
    keep_sweep(THERE, OTHERS, [])
    assert earlier_sweeps(HERE).spreads == SPREADS
    assert earlier_sweeps(THERE).spreads == OTHERS


@pytest.mark.parametrize(
    "content", ["", "[1]", '{"a / cpu / x": 7}', '{"a / cpu / x": {"time": {}}}', "\x00"]
)
def test_a_file_that_holds_something_else_is_nothing_known(state: Path, content: str) -> None:
    state.mkdir(parents=True)
    (state / FILE).write_text(content)
    assert earlier_sweeps(HERE) == NEW_HERE
    keep_sweep(HERE, SPREADS, [])
    assert earlier_sweeps(HERE).spreads == SPREADS


def test_where_nothing_can_be_written_nothing_fails(state: Path) -> None:
    state.parent.mkdir(parents=True)
    state.write_text("a file where the folder would be", encoding="utf-8")
    keep_sweep(HERE, SPREADS, [])
    assert earlier_sweeps(HERE) == NEW_HERE


def test_it_is_for_this_user_alone(state: Path) -> None:
    keep_sweep(HERE, SPREADS, [])
    assert state.stat().st_mode & 0o077 == 0


def test_a_link_is_not_written_through(state: Path, tmp_path: Path) -> None:
    state.mkdir(parents=True)
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (state / FILE).symlink_to(victim)
    keep_sweep(HERE, SPREADS, [])
    assert victim.read_text() == "precious"


def test_a_relative_state_home_is_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", "somewhere")
    assert state_directory() == Path("~/.local/state/harness").expanduser()


class TestSpeeds:
    """Times of the reference work; no two sweeps take the same to the last digit."""

    @staticmethod
    def sweeps(*around: float) -> list[list[float]]:
        return [[ns + number / 1e3, 1.01 * ns + number / 1e3] for number, ns in enumerate(around)]

    def test_the_drift_between_sweeps_is_known_after_some(self) -> None:
        first, *others = self.sweeps(100e3, 110e3, 100e3, 110e3)
        for speeds in others:
            keep_sweep(HERE, None, speeds)
            assert earlier_sweeps(HERE).drift == ASSUMED_DRIFT
        keep_sweep(HERE, SPREADS, first)
        earlier = earlier_sweeps(HERE)
        assert earlier.spreads == SPREADS
        assert earlier.drift is not None
        assert earlier.drift.dof == ASSUMED_DRIFT.dof + 3
        found = (3 * 0.055**2 + ASSUMED_DRIFT.dof * ASSUMED_DRIFT.sd**2) / earlier.drift.dof
        assert earlier.drift.sd == pytest.approx(math.sqrt(found), rel=0.1)
        assert earlier_sweeps(THERE) == NEW_HERE

    def test_a_sweep_that_was_too_short_leaves_what_is_known(self) -> None:
        for speeds in self.sweeps(*[100e3] * 4):
            keep_sweep(HERE, SPREADS, speeds)
        before = earlier_sweeps(HERE)
        keep_sweep(HERE, None, [])
        assert earlier_sweeps(HERE) == before

    def test_the_latest_sweeps_count(self) -> None:
        keep_sweep(HERE, None, [1.0, 1.0])
        for speeds in self.sweeps(*[100e3] * KEPT_SWEEPS):
            keep_sweep(HERE, None, speeds)
        drift = earlier_sweeps(HERE).drift
        assert drift is not None
        assert drift.dof == ASSUMED_DRIFT.dof + KEPT_SWEEPS - 1
        # The first one, a hundred thousand times as fast, is no longer among them.
        assert drift.sd < ASSUMED_DRIFT.sd

    @pytest.mark.parametrize("speeds", ['"x"', "[7]", '[["x", 1]]', "[[0, 1]]", "[[-1]]", "[[true, true]]"])
    def test_what_is_no_time_is_left_out(self, state: Path, speeds: str) -> None:
        state.mkdir(parents=True)
        (state / FILE).write_text(f'{{"a / cpu / x": {{"speeds": {speeds}}}}}')
        for each in self.sweeps(*[100e3] * 4):
            keep_sweep(HERE, None, each)
        drift = earlier_sweeps(HERE).drift
        assert drift is not None
        assert drift.dof == ASSUMED_DRIFT.dof + 3

    def test_a_sweep_that_goes_on_counts_once(self) -> None:
        *before, last = self.sweeps(*[100e3] * 4)
        for speeds in (*before, last, last, [99e3, *last]):
            keep_sweep(HERE, None, speeds)
        drift = earlier_sweeps(HERE).drift
        assert drift is not None
        assert drift.dof == ASSUMED_DRIFT.dof + 3
