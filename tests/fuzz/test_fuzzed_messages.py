"""Whatever comes over the socket of signs of life: a value that can be used, or none."""

from __future__ import annotations

import math
from typing import Any

from examples import EXAMPLES, JSON
from hypothesis import given
from hypothesis import strategies as st

from harness.session.messages import LONGEST, MOST, Visit, rank_of

NAMES = ("event", "rank", "cell", "label", "points", "share", "step_us")
WELL = {"event": "visit", "cell": "c", "label": "l", "points": 2, "share": 0.5, "step_us": {"eager": 3.0}}


@EXAMPLES
@given(
    message=st.dictionaries(st.one_of(st.sampled_from(NAMES), st.text(max_size=6)), JSON, max_size=6),
    event=st.sampled_from(["visit", "hello", ""]),
)
def test_no_message_is_more_than_a_launcher_can_use(message: dict[str, Any], event: str) -> None:
    for said in (
        message,
        {**message, "event": event},
        {**WELL, **message},
        {**WELL, **message, "event": event},
    ):
        rank = rank_of(said)
        assert rank is None or 0 <= rank < MOST
        visit = Visit.of(said)
        if visit is not None:
            assert 0 < visit.points < MOST and 0 <= visit.share <= 1
            assert all(math.isfinite(us) for us in visit.step_us.values())
            assert all(len(text) <= LONGEST and "\x1b" not in text for text in (visit.cell, visit.label))
