"""Of which points a dispatch share is decided."""

from __future__ import annotations

from typing import Any

import pytest
from synthetic import make_points

from harness.core.stats.verdicts import UNDECIDED
from harness.report.table.tidy import tidy


def undecided(low: float, high: float, *, null: float = 1.0, **options: Any) -> dict[str, bool]:
    """By mode, of a cell in which script's share has these ends and trace is the fastest."""

    def change(row: dict[str, Any]) -> dict[str, Any]:
        ends = {"eager": (0.6, 0.7), "script": (low, high), "trace": (0.0, 0.0)}[row["mode"]]
        share = {"dispatch_share_low": ends[0], "dispatch_share_high": ends[1]}
        floor = {"null_ratio": null, "null_low": null, "null_high": null} if row["mode"] == "eager" else {}
        return {**share, **floor, "dispatch_share": 0.02}

    table = tidy(make_points(depths=(4,), batches=(1,), change=change, **options))
    return dict(zip(table["mode"], table["share_undecided"].tolist(), strict=True))


@pytest.mark.parametrize(
    ("ends", "expected"),
    [
        ((0.02, 0.05), False),  # slower than the fastest
        ((-0.004, 0.006), False),  # as fast
        ((-0.019, 0.042), True),
        ((0.005, 0.03), True),  # reaches into what counts as none
        ((float("nan"), float("nan")), True),
    ],
)
def test_a_share_is_decided_by_the_rule_of_verdicts(ends: tuple[float, float], expected: bool) -> None:
    found = undecided(*ends)
    assert found == {"eager": False, "script": expected, "trace": False}


def test_what_two_builds_differ_by_is_no_share() -> None:
    assert not undecided(0.015, 0.03)["script"]
    assert undecided(0.015, 0.03, null=1.025)["script"]


def test_eager_is_decided_with_the_modes_that_are_compared_with_it() -> None:
    table = make_points(depths=(4,), batches=(1,))
    assert not tidy(table).loc[lambda rows: rows["mode"] == "eager", "share_undecided"].any()
    table["verdict"] = table["verdict"].where(table["mode"] == "eager", UNDECIDED)
    assert tidy(table).loc[lambda rows: rows["mode"] == "eager", "share_undecided"].all()


def test_where_a_share_is_time_that_a_device_waits_nothing_is_compared() -> None:
    assert not any(undecided(-0.1, 0.2, device_kind="cuda").values())
