"""Host lists as SLURM abbreviates them."""

from __future__ import annotations

import pytest

from harness.cluster.jobs.host_list import expand_hosts


@pytest.mark.parametrize(
    ("names", "hosts"),
    [
        ("n1", ["n1"]),
        ("n[1-3]", ["n1", "n2", "n3"]),
        ("n[08-10,12]", ["n08", "n09", "n10", "n12"]),
        ("a,b[1-2],c", ["a", "b1", "b2", "c"]),
        ("r[1-2]n[1-2]", ["r1n1", "r1n2", "r2n1", "r2n2"]),
        ("gpu-[1-2].cluster", ["gpu-1.cluster", "gpu-2.cluster"]),
    ],
)
def test_host_lists(names: str, hosts: list[str]) -> None:
    assert expand_hosts(names) == hosts
