"""Which threads of a rank are tied to its cores: those that issue, and no others."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from raw_runs import cell_of
from running import python_path

from harness.core.files.revision import revision
from harness.launch.torchrun import session_variables
from harness.plan.config import TimingConfig
from harness.session.spec import SessionSpec

# A rank as it is, but that it tells where its threads may run in place of measuring anything.
RANK = """
import json, re, sys, threading
from pathlib import Path
from harness.session.progress import Sender
from harness.session.spec import SessionSpec
from harness.worker import one_rank
from harness.worker.arrival import Arrival

def threads():
    return {int(task.name): re.search(r"Cpus_allowed:\\t(\\S+)", (task / "status").read_text())[1]
            for task in Path("/proc/self/task").iterdir()}

def tell(cells, bench):
    import torch
    issuing = bench.issuers.each(lambda index: threading.get_native_id())
    a = torch.randn(1024, 1024)
    bench.issuers.each(lambda index: a @ a)  # starts the intra-op threads
    allowed = threads()
    print(json.dumps({
        "issuing": [allowed.pop(each) for each in issuing],
        "others": list(allowed.values()),
    }))

one_rank.measure_cells = tell
spec = SessionSpec.load(Path(sys.argv[1]))
sys.exit(one_rank.measure_session(Arrival(spec, Sender(), 0, 0, json.loads(sys.argv[2]))))
"""

CORES = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
pytestmark = pytest.mark.skipif(len(CORES) < 2, reason="pinning to a core shows only where there are two")


def threads_of_rank(
    folder: Path,
    cores: list[int] | None,
    *,
    controller: str = "processes",
    devices: int = 1,
    threads: int = 1,
) -> dict[str, list[set[int]]]:
    """Where the threads of one rank that is to issue on those cores may run."""
    file = folder / "session.json"
    (folder / "raw").mkdir()
    timing, cells = TimingConfig(), (cell_of(["eager"]),)
    fields: dict[str, Any] = {"affinity": True, "usage": True, "window_s": 0.0, "seed": 0, "plugins": ()}
    fields |= {"nulls": (), "draw": 0}
    SessionSpec(
        id="s", cells=cells, controller=controller, devices=devices, device_kind="cpu", threads=threads,
        timing=timing, raw=folder / "raw", store=folder / "store", revision=revision(), **fields,
    ).save(file)  # fmt: skip
    ranks = {"RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "1", "LOCAL_WORLD_SIZE": "1"}
    variables = {**os.environ, **session_variables(threads), **ranks, "PYTHONPATH": python_path()}
    ended = subprocess.run(
        [sys.executable, "-c", RANK, str(file), json.dumps(cores)],
        env=variables, stdout=subprocess.PIPE, text=True, timeout=120, check=True,
    )  # fmt: skip
    found: dict[str, list[str]] = json.loads(ended.stdout.splitlines()[-1])
    return {kind: [_cores(mask) for mask in masks] for kind, masks in found.items()}


def _cores(mask: str) -> set[int]:
    """Of Cpus_allowed in /proc/PID/status: hexadecimal words of 32 bits, the most significant first."""
    bits = int(mask.replace(",", ""), 16)
    return {core for core in range(bits.bit_length()) if bits >> core & 1}


def test_the_thread_that_issues_is_pinned_and_those_of_gloo_are_not(tmp_path: Path) -> None:
    found = threads_of_rank(tmp_path, [CORES[1]])
    assert found["issuing"] == [{CORES[1]}]
    assert found["others"], "gloo's threads are not there yet: they would inherit the core"
    assert all(each == set(CORES) for each in found["others"])


def test_threads_that_share_an_operation_stay_on_the_ranks_cores(tmp_path: Path) -> None:
    """The one thread more that a rank has with two."""
    found = threads_of_rank(tmp_path, [CORES[1]], threads=2)
    assert found["others"].count({CORES[1]}) == 1


def test_under_threads_each_that_issues_has_cores_of_its_own(tmp_path: Path) -> None:
    found = threads_of_rank(tmp_path, CORES[:2], controller="threads", devices=2)
    assert found["issuing"] == [{CORES[0]}, {CORES[1]}]
    assert all(each == set(CORES) for each in found["others"])


def test_where_threads_are_more_than_cores_they_share_the_ranks(tmp_path: Path) -> None:
    found = threads_of_rank(tmp_path, [CORES[0]], controller="threads", devices=2)
    assert found["issuing"] == [{CORES[0]}, {CORES[0]}]


def test_without_cores_of_its_own_nothing_of_a_rank_is_pinned(tmp_path: Path) -> None:
    found = threads_of_rank(tmp_path, None)
    assert all(each == set(CORES) for each in [*found["issuing"], *found["others"]])
