"""The device under a rank: a CPU, what memory it used, and what it has not."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

from harness.devices.device import Device

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs Linux's /proc")


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


class TestSynchronous:
    """A device that executes at once has neither a queue to fill nor anything to hold."""

    @pytest.mark.parametrize("launches", [1, 4, 64, 10_000])
    def test_it_has_no_issue_time(self, launches: int) -> None:
        assert Device().burst_steps(launches) is None

    def test_it_cannot_be_held_nor_captured(self) -> None:
        with pytest.raises(TypeError, match="cpu executes synchronously"):
            Device().gate(1.0)
        with pytest.raises(TypeError, match="cpu executes synchronously"):
            Device().captured(lambda: None)
