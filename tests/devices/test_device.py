"""The device under a rank: memory, cores, and what fits a launch queue."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
import torch

from harness.devices.device import (
    BURST_LAUNCHES,
    FORWARD_LAUNCHES,
    TRAIN_LAUNCHES,
    Accelerator,
    Device,
    cpu_name,
    is_out_of_memory,
    open_device,
    pin_to_cores,
)

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs Linux's /proc")


class TestOutOfMemory:
    def test_an_allocation_that_no_machine_can_give(self) -> None:
        with pytest.raises(RuntimeError) as caught:
            torch.empty(1 << 52, dtype=torch.uint8)
        assert is_out_of_memory(caught.value)

    def test_python_itself_out_of_memory(self) -> None:
        with pytest.raises(MemoryError) as caught:
            bytearray(1 << 62)
        assert is_out_of_memory(caught.value)

    @pytest.mark.parametrize(
        "error",
        [
            torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB."),
            RuntimeError("CUDA error: out of memory"),
            RuntimeError("std::bad_alloc"),
            RuntimeError(
                "[enforce fail at alloc_cpu.cpp:117] . DefaultCPUAllocator: can't allocate memory: you"
            ),
        ],
        ids=lambda e: str(e)[:20],
    )
    def test_words_that_torch_has_for_it(self, error: Exception) -> None:
        assert is_out_of_memory(error)

    @pytest.mark.parametrize(
        "error",
        [
            RuntimeError("mat1 and mat2 shapes cannot be multiplied (4x8 and 6x8)"),
            ValueError("out of memory is only a word here"),
            KeyError("x"),
            RuntimeError(""),
        ],
        ids=lambda e: str(e)[:20],
    )
    def test_other_errors_are_other_errors(self, error: Exception) -> None:
        assert not is_out_of_memory(error)


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


class TestMemory:
    @linux
    def test_the_peak_holds_an_allocation_that_is_gone_again(self) -> None:
        device = Device()
        device.reset_peak_memory()
        before = device.peak_memory_mib()
        block = torch.ones(64 * 2**20, dtype=torch.uint8)
        del block
        seen = device.peak_memory_mib()
        device.reset_peak_memory()
        after = device.peak_memory_mib()
        assert before is not None and seen is not None and after is not None
        assert 60 < seen - before < 80
        assert after - before < 20

    def test_where_the_system_does_not_tell_there_is_none(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(path: Path, *arguments: object, **options: object) -> str:
            raise PermissionError(path)

        monkeypatch.setattr(Path, "read_text", refuse)
        monkeypatch.setattr(Path, "write_text", refuse)
        Device().reset_peak_memory()
        assert Device().peak_memory_mib() is None


class TestBurst:
    @pytest.mark.parametrize("depth", [1, 4, 64, 10_000])
    def test_a_device_that_executes_at_once_has_no_issue_time(self, depth: int) -> None:
        assert Device().burst_steps(depth, "forward") is None

    @pytest.mark.parametrize(
        ("workload", "launches"), [("forward", FORWARD_LAUNCHES), ("train", TRAIN_LAUNCHES)]
    )
    def test_a_burst_fits_the_launch_queue_and_is_as_long_as_that_allows(
        self, workload: str, launches: int
    ) -> None:
        for depth in range(1, 400):
            steps = Accelerator.burst_steps(object(), depth, workload)  # type: ignore[arg-type]
            per_step = depth * launches
            if per_step <= BURST_LAUNCHES:
                assert steps is not None
                assert steps * per_step <= BURST_LAUNCHES < (steps + 1) * per_step
            elif per_step <= 3 * BURST_LAUNCHES:
                assert steps == 1
            else:
                assert steps is None, "it would measure the queue and not the host"

    def test_the_deepest_model_of_the_shipped_sweeps_has_an_issue_time_in_both_workloads(self) -> None:
        for workload in ("forward", "train"):
            assert Accelerator.burst_steps(object(), 64, workload)  # type: ignore[arg-type]


def test_the_cpu_has_a_name() -> None:
    assert cpu_name().strip()
    assert open_device("cpu", 3).name == cpu_name()
    assert open_device("cpu", 3).torch_device == torch.device("cpu")


@pytest.mark.skipif(torch.accelerator.is_available(), reason="there is an accelerator")
def test_an_accelerator_that_is_not_there_cannot_be_opened() -> None:
    with pytest.raises(RuntimeError):
        open_device("cuda", 0)
