"""Where the variance is: of sessions made up, and of a few that are measured."""

from __future__ import annotations

import json
import sys
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks import variance


def made_up(
    sessions: int = 30, between: float = 0.02, within: float = 0.01, drift: float = 0.0
) -> pd.DataFrame:
    """Rounds as sweeps.rounds has them: sessions of a minute, whose step times differ; script is twice as fast, and
    only by what differs within a session off that."""
    source, rows = np.random.default_rng(0), []
    for time, session in product(range(2), range(sessions)):
        effect, started = source.normal(0, between), 60.0 * (time * sessions + session)
        for build, visit, number in product(range(2), range(2), range(4)):
            place = {"time": str(time), "session": f"s-{session}", "build": build, "visit": visit}
            place |= {"round": (build * 2 + visit) * 4 + number, "label": "cell", "started_s": started}
            for mode, step_us in (("eager", 100.0), ("script", 50.0)):
                logs = effect + drift * started / 60 + source.normal(0, within)
                rows.append(place | {"mode": mode, "step_us": step_us * np.exp(logs)})
    return pd.DataFrame(rows)


def rows_of(table: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame(variance.analysed(table)).set_index("quantity")


def test_what_differs_between_sessions_is_in_the_step_time_and_not_in_the_paired_speed_up() -> None:
    rows = rows_of(made_up())
    step, speedup = rows.loc["step time of eager"], rows.loc["speed-up of script"]
    assert step["session_pct"] == pytest.approx(2, rel=0.2)
    assert step["round_pct"] == pytest.approx(1, rel=0.1)
    assert speedup["value"] == pytest.approx(2, rel=0.01)
    assert speedup["session_pct"] < 0.4
    assert speedup["round_pct"] == pytest.approx(2**0.5, rel=0.1)
    assert step["rounds_cover"] < 0.3
    assert speedup["rounds_cover"] > 0.85
    assert step["counts"] == "2x30x2x2x4"


def test_a_level_that_was_not_repeated_is_left_out() -> None:
    table = made_up()
    row = rows_of(table[table["time"] == "0"]).loc["step time of eager"]
    assert np.isnan(row["time_pct"])
    assert row["session_pct"] == pytest.approx(2, rel=0.25)
    assert row["sessions_cover"] == pytest.approx(0.95)


def test_drift_is_a_slope_over_the_sessions_starts() -> None:
    row = rows_of(made_up(between=0.001, drift=0.002)).loc["step time of eager"]
    assert row["drift_pct_min"] == pytest.approx(0.2, rel=0.1)


def test_the_second_build_of_eager_is_compared_with_the_first() -> None:
    table = made_up().replace({"mode": {"script": variance.NULL}})
    assert {"step time of null", "eager over eager"} <= set(rows_of(table).index)


def test_cells_are_many_and_of_all_sizes() -> None:
    lists = [dict(word.split("=") for word in sweep) for sweep in variance.SWEEPS.values()]
    values = {name: [json.loads(each[name]) for each in lists] for name in ("depth", "width", "batch")}
    assert sum(len(d) * len(w) * len(b) for d, w, b in zip(*values.values(), strict=True)) >= 12
    flat = {name: sorted(x for each in found for x in each) for name, found in values.items()}
    assert [(each[0], each[-1]) for each in flat.values()] == [(3, 96), (32, 1024), (1, 4096)]
    assert {each["device"] for each in lists} == {"cpu", "emulated"}


@pytest.mark.long
def test_it_measures_and_writes_down_what_it_prints(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["variance", "--quick", "--out", str(tmp_path)])
    assert variance.main() == 0
    table = pd.read_csv(tmp_path / "variance.csv")
    assert {"step time of eager", "step time of script", "speed-up of script"} <= set(table["quantity"])
    assert (table["round_pct"] > 0).all()
    assert "speed-up, median of" in capfd.readouterr().out
