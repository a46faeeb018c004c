"""What a session and the files of its ranks are called, and what a name says."""

from __future__ import annotations

import fnmatch

import pytest

from harness.records import naming


@pytest.mark.parametrize("shard", [None, (2, 3)])
@pytest.mark.parametrize("number", [1, 12])
def test_a_name_says_what_it_was_made_of(number: int, shard: tuple[int, int] | None) -> None:
    session = naming.session_id("threads", 8, number, shard)
    assert naming.try_number(session) == number
    file = naming.rank_file(session, 10)
    assert file.startswith(naming.rank_files(session))
    assert naming.rank_of(file) == "10"
    assert fnmatch.fnmatch(session, f"*{naming.session_kind('threads', 8)}*")


def test_shards_have_names_of_their_own() -> None:
    names = {naming.session_id("loop", 1, 1, shard) for shard in (None, (1, 2), (2, 2))}
    assert len(names) == 3


def test_of_eight_devices_is_not_of_eighty() -> None:
    assert not fnmatch.fnmatch(naming.session_id("loop", 80, 1), f"*{naming.session_kind('loop', 8)}*")


@pytest.mark.parametrize("name", ["", None, 3, "loop-1", "loop-1-tryx", "loop-1-try" + "9" * 30])
def test_what_is_no_name_of_ours_is_of_no_try(name: object) -> None:
    assert naming.try_number(name) == 0
