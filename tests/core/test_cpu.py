"""How many cores there are: one answer, from affinity and the container's quota, wherever it is asked."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from harness.core import cpu
from harness.core.cpu import cgroup_quota, own_cores, usable_cores


class TestCores:
    """Control groups are folders of the test's; the process is in /job/step."""

    @pytest.fixture
    def root(self, tmp_path: Path) -> Path:
        (tmp_path / "fs/job/step").mkdir(parents=True)
        (tmp_path / "fs/cpu/job/step").mkdir(parents=True)
        return tmp_path / "fs"

    def quota(self, root: Path, membership: str = "0::/job/step\n") -> float | None:
        (root.parent / "cgroup").write_text(membership)
        return cgroup_quota(root, root.parent / "cgroup")

    @pytest.mark.parametrize(
        ("text", "cores"),
        [
            ("max 100000\n", None),
            ("400000 100000\n", 4),
            ("250000 100000\n", 2.5),
            ("100000 50000\n", 2),
            ("100000 0\n", None),
            ("nonsense", None),
            ("", None),
        ],
    )
    def test_a_quota_of_version_2(self, root: Path, text: str, cores: float | None) -> None:
        (root / "job/step/cpu.max").write_text(text)
        assert self.quota(root) == cores

    def test_the_tightest_of_the_group_and_those_above_it_holds(self, root: Path) -> None:
        (root / "job/step/cpu.max").write_text("max 100000\n")
        (root / "job/cpu.max").write_text("300000 100000\n")
        (root / "cpu.max").write_text("800000 100000\n")
        assert self.quota(root) == 3

    @pytest.mark.parametrize(("quota", "cores"), [("-1", None), ("300000", 3), ("10000", 0.1), ("x", None)])
    def test_a_quota_of_version_1(self, root: Path, quota: str, cores: float | None) -> None:
        (root / "cpu/job/cpu.cfs_quota_us").write_text(quota + "\n")
        (root / "cpu/job/cpu.cfs_period_us").write_text("100000\n")
        assert self.quota(root, "5:cpu,cpuacct:/job/step\n3:memory:/\n") == cores

    def test_without_control_groups_there_is_no_quota(self, tmp_path: Path) -> None:
        assert cgroup_quota(tmp_path / "fs", tmp_path / "nowhere") is None


@pytest.fixture
def sixteen(monkeypatch: pytest.MonkeyPatch) -> set[int]:
    """An affinity of cores 4 to 19, which pinning narrows."""
    allowed = set(range(4, 20))

    def set_to(pid: int, cores: list[int]) -> None:
        allowed.intersection_update(cores)

    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: allowed, raising=False)
    monkeypatch.setattr(os, "sched_setaffinity", set_to, raising=False)
    return allowed


@pytest.fixture
def container(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A control group without a quota as yet; answers its folder."""
    group = tmp_path / "fs/job"
    group.mkdir(parents=True)
    (tmp_path / "cgroup").write_text("0::/job\n")
    monkeypatch.setattr(cpu, "CGROUPS", tmp_path / "fs")
    monkeypatch.setattr(cpu, "MEMBERSHIP", tmp_path / "cgroup")
    return group


@pytest.mark.usefixtures("sixteen")
@pytest.mark.parametrize(("quota", "cores"), [(None, 16), (4.0, 4), (2.5, 2), (0.1, 1), (99.0, 16)])
def test_cores_are_those_of_affinity_and_quota(quota: float | None, cores: int, container: Path) -> None:
    if quota is not None:
        (container / "cpu.max").write_text(f"{quota * 1e5:.0f} 100000\n")
    assert usable_cores() == cores


@pytest.mark.parametrize("version", [1, 2])
def test_a_rank_is_pinned_to_its_share_of_the_quota_and_not_of_the_host(
    version: int, container: Path, sixteen: set[int]
) -> None:
    """In a container that is worth 4 cores of 16, two ranks have 2 cores each, and 8 ranks none of their own."""
    if version == 2:
        (container / "cpu.max").write_text("400000 100000\n")
    else:
        (container.parent / "cpu/job").mkdir(parents=True)
        (container.parents[1] / "cgroup").write_text("3:cpu,cpuacct:/job\n")
        (container.parent / "cpu/job/cpu.cfs_quota_us").write_text("400000\n")
        (container.parent / "cpu/job/cpu.cfs_period_us").write_text("100000\n")
    assert own_cores(0, 8, 1) is None
    assert own_cores(1, 2, 3) is None
    assert own_cores(1, 2, 2) == [6, 7]
