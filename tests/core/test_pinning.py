"""The cores of this machine, and a share of them for each rank."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from harness.core import cpu
from harness.core.cpu import cpu_name, pin_to_cores


@pytest.fixture(autouse=True)
def unlimited(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without a quota, whatever the container of the tests has."""
    monkeypatch.setattr(cpu, "MEMBERSHIP", tmp_path / "none")


class TestPinning:
    """On a machine made up of 9 cores, and once on the real one."""

    @pytest.fixture
    def pinned(self, monkeypatch: pytest.MonkeyPatch) -> list[list[int]]:
        calls: list[list[int]] = []
        monkeypatch.setattr(
            os, "sched_getaffinity", lambda pid: {3, 5, 7, 9, 11, 13, 15, 17, 19}, raising=False
        )
        monkeypatch.setattr(
            os, "sched_setaffinity", lambda pid, cores: calls.append(list(cores)), raising=False
        )
        return calls

    def test_cores_are_shared_out_evenly_and_none_twice(self, pinned: list[list[int]]) -> None:
        answers = [pin_to_cores(rank, 4, 1) for rank in range(4)]
        assert answers == [[3, 5], [7, 9], [11, 13], [15, 17]]
        assert pinned == answers

    def test_one_rank_has_them_all(self, pinned: list[list[int]]) -> None:
        assert pin_to_cores(0, 1, 1) == [3, 5, 7, 9, 11, 13, 15, 17, 19]

    @pytest.mark.parametrize(("ranks", "threads"), [(10, 1), (4, 3), (1, 10)])
    def test_with_too_few_cores_nothing_is_pinned(
        self, pinned: list[list[int]], ranks: int, threads: int
    ) -> None:
        """Two ranks on one core would wait for each other while another core idles."""
        assert pin_to_cores(0, ranks, threads) is None
        assert pinned == []

    @pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system pins no process")
    def test_a_process_is_pinned_and_shares_out_only_what_it_may_use(self) -> None:
        """First two ranks on one core, which is refused; then one."""
        before = os.sched_getaffinity(0)
        first = min(before)
        try:
            os.sched_setaffinity(0, [first])
            assert pin_to_cores(0, 2, 1) is None
            assert pin_to_cores(0, 1, 1) == [first]
            os.sched_setaffinity(0, before)
            own = pin_to_cores(0, 1, 1)
            assert own is not None
            assert os.sched_getaffinity(0) == set(own) == before
        finally:
            os.sched_setaffinity(0, before)


def test_the_processor_has_a_name() -> None:
    assert cpu_name().strip()
