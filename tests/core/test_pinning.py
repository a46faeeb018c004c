"""The cores of this machine, and a share of them for each rank."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from harness.core import cpu
from harness.core.cpu import cpu_name, own_cores, pin_thread


@pytest.fixture(autouse=True)
def unlimited(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without a quota, whatever the container of the tests has."""
    monkeypatch.setattr(cpu, "MEMBERSHIP", tmp_path / "none")


class TestPinning:
    """On a machine made up of 9 cores, and once on the real one."""

    @pytest.fixture
    def nine(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(
            os, "sched_getaffinity", lambda pid: {3, 5, 7, 9, 11, 13, 15, 17, 19}, raising=False
        )
        monkeypatch.setattr(os, "sched_setaffinity", lambda pid, cores: None, raising=False)

    @pytest.mark.usefixtures("nine")
    def test_cores_are_shared_out_evenly_and_none_twice(self) -> None:
        assert [own_cores(rank, 4, 1) for rank in range(4)] == [[3, 5], [7, 9], [11, 13], [15, 17]]

    @pytest.mark.usefixtures("nine")
    def test_one_rank_has_them_all(self) -> None:
        assert own_cores(0, 1, 1) == [3, 5, 7, 9, 11, 13, 15, 17, 19]

    @pytest.mark.usefixtures("nine")
    @pytest.mark.parametrize(("ranks", "threads"), [(10, 1), (4, 3), (1, 10)])
    def test_with_too_few_cores_nothing_is_pinned(self, ranks: int, threads: int) -> None:
        """Two ranks on one core would wait for each other while another core idles."""
        assert own_cores(0, ranks, threads) is None

    @pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system pins no thread")
    def test_a_thread_is_pinned_with_those_that_it_starts_and_others_are_not(self) -> None:
        before, found = os.sched_getaffinity(0), {}

        def started() -> None:
            found["started"] = os.sched_getaffinity(0)

        def pinned() -> None:
            pin_thread([min(before)])
            thread = threading.Thread(target=started)
            thread.start()
            thread.join()
            found["itself"] = os.sched_getaffinity(0)

        thread = threading.Thread(target=pinned)
        thread.start()
        thread.join()
        assert found == {"itself": {min(before)}, "started": {min(before)}}
        assert os.sched_getaffinity(0) == before


def test_the_processor_has_a_name() -> None:
    assert cpu_name().strip()
