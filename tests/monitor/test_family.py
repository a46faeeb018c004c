"""Which processes are the sweep's: its descendants; and whom NVML's list of processes may be blamed on."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from harness.monitor.family import HOSTS_NAMESPACE, Family

SWEEP, TORCHRUN, RANK0, RANK1, HELPER, OTHER = 100, 101, 102, 103, 104, 900


class Proc:
    """A folder laid out as /proc, in which processes come and go."""

    def __init__(self, root: Path, namespace: str = HOSTS_NAMESPACE) -> None:
        self.root = root
        (root / "self/ns").mkdir(parents=True)
        (root / "self/ns/pid").symlink_to(namespace)
        self.add(1, 0)
        self.add(SWEEP, 1)

    def add(self, pid: int, parent: int, environment: str = "A=b") -> None:
        folder = self.root / str(pid)
        folder.mkdir()
        (folder / "stat").write_text(f"{pid} (a (strange) name) S {parent} 1 1 0")
        (folder / "environ").write_bytes(environment.replace(" ", "\0").encode())

    def end(self, pid: int) -> None:
        for file in (self.root / str(pid)).iterdir():
            file.unlink()
        (self.root / str(pid)).rmdir()


@pytest.fixture
def proc(tmp_path: Path) -> Proc:
    """A sweep with torchrun, two ranks and a compiler's helper of rank 0; and somebody else's process."""
    made = Proc(tmp_path)
    made.add(TORCHRUN, SWEEP)
    made.add(RANK0, TORCHRUN, "A=b RANK=0 WORLD_SIZE=2")
    made.add(RANK1, TORCHRUN, "RANK=1")
    made.add(HELPER, RANK0, "RANK=0")
    made.add(OTHER, 1)
    return made


def family(proc: Proc) -> Family:
    made = Family(SWEEP, proc.root)
    made.refresh()
    return made


def test_descendants_are_the_sweeps_and_ranks_are_known_by_their_environment(proc: Proc) -> None:
    found = family(proc)
    assert found.members == {TORCHRUN, RANK0, RANK1, HELPER}
    assert found.ranks == {RANK0: 0, RANK1: 1}


def test_a_process_without_rank_in_its_name_alone_is_no_rank(proc: Proc) -> None:
    proc.add(105, TORCHRUN, "LOCAL_RANK=1 MYRANK=2")
    assert 105 not in family(proc).ranks


def test_processes_come_and_go(proc: Proc) -> None:
    found = family(proc)
    proc.end(RANK0)
    proc.end(HELPER)
    proc.add(106, TORCHRUN, "RANK=2")
    found.refresh()
    assert found.ranks == {RANK1: 1, 106: 2}
    assert found.members == {TORCHRUN, RANK1, 106}


def test_a_rank_is_known_once_it_has_its_own_environment(proc: Proc) -> None:
    proc.add(107, TORCHRUN)
    found = family(proc)
    assert 107 not in found.ranks
    (proc.root / "107/environ").write_bytes(b"RANK=7\0")
    found.refresh()
    assert found.ranks[107] == 7


def test_a_descendant_whose_parent_has_ended_still_is_one(proc: Proc) -> None:
    found = family(proc)
    proc.end(TORCHRUN)
    found.refresh()
    assert {RANK0, RANK1} <= found.members


def test_the_sweeps_end_is_noticed(proc: Proc) -> None:
    found = family(proc)
    assert not found.orphaned
    proc.end(SWEEP)
    found.refresh()
    assert found.orphaned


def test_only_processes_of_nobody_in_the_sweep_are_others(proc: Proc) -> None:
    found = family(proc)
    assert found.others([RANK0, RANK1, HELPER, SWEEP, os.getpid()]) == []
    assert found.others([RANK0, OTHER]) == [OTHER]


def test_a_rank_that_has_just_come_is_not_taken_for_another(proc: Proc) -> None:
    found = family(proc)
    proc.add(108, TORCHRUN, "RANK=3")
    assert found.others([108]) == []


def test_a_process_that_has_ended_meanwhile_is_blamed_on_nobody(proc: Proc) -> None:
    # Beyond the largest process id that Linux gives.
    assert family(proc).others([2**22 + 1]) == []


class TestInAContainer:
    @pytest.fixture
    def inside(self, tmp_path: Path) -> Family:
        made = Proc(tmp_path, "pid:[4026532000]")
        made.add(RANK0, SWEEP, "RANK=0")
        made.add(OTHER, 1)
        return family(made)

    def test_process_ids_are_not_believed(self, inside: Family) -> None:
        assert inside.others([OTHER]) is None

    def test_they_are_once_one_of_the_sweeps_own_was_seen(self, inside: Family) -> None:
        assert inside.others([RANK0]) == []
        assert inside.others([OTHER]) == [OTHER]

    def test_a_device_without_processes_has_no_others(self, inside: Family) -> None:
        assert inside.others([]) == []


def test_a_system_without_proc_has_no_family(tmp_path: Path) -> None:
    found = Family(SWEEP, tmp_path / "none")
    found.refresh()
    assert (found.members, found.ranks, found.orphaned) == (set(), {}, False)
