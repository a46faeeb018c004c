"""Jitter: as much as asked for, the same for the same seed, another for each process, and told in the ledger."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from bare import BARE, Program
from node import profile, variables

from emulator.ledger import Records, read_trace

WORKS = 3000
CODE = (
    BARE
    + f"""
at = allocate(8)[1]
for _ in range({WORKS}):
    work(at, 20)
library.cudaDeviceSynchronize()
say(os.getpid())
"""
)


def recorded(folder: Path, processes: int = 1, **changes: float) -> list[Records]:
    """The ledger of each process in turn."""
    found = []
    folder.mkdir(parents=True)
    for number in range(processes):
        trace = folder / f"trace-{number}"
        trace.mkdir()
        of = profile(launch_host_us=3.0, **changes)
        Program(CODE, variables(folder, of, EMULATOR_TRACE=str(trace))).end()
        found.append(read_trace(trace))
    return found


def length(records: Records) -> np.ndarray:
    return (records["end"] - records["start"]).astype(float)


def test_without_it_all_is_as_modelled(tmp_path: Path) -> None:
    (records,) = recorded(tmp_path / "node")
    assert (length(records) == records["modelled"]).all()
    assert set(records["modelled"]) == {20_000}


def test_times_vary_as_much_as_asked_for(tmp_path: Path) -> None:
    for jitter in (1.0, 3.0):
        (records,) = recorded(tmp_path / f"node-{jitter}", jitter=jitter)
        assert set(records["modelled"]) == {20_000}  # what is modelled stands beside what happened
        logs = np.log(length(records) / records["modelled"])
        # 3 % a kernel; the clock, which wanders within seconds, moves all of them.
        assert np.std(logs) == pytest.approx(0.03 * jitter, rel=0.1)
        assert abs(np.median(logs)) < 3 * 0.01 * jitter
        calls = (records["returned"] - records["called"]).astype(float)
        assert np.percentile(calls, 95) > 3000 * (1 + 0.15 * jitter)


def test_a_seed_draws_the_same_again_and_each_process_its_own(tmp_path: Path) -> None:
    one, two = recorded(tmp_path / "once", processes=2, jitter=1.0)
    again, _ = recorded(tmp_path / "again", processes=2, jitter=1.0)
    (other,) = recorded(tmp_path / "other", jitter=1.0, jitter_seed=1)
    apart = [np.log(length(each) / length(one)) for each in (two, again, other)]
    # The clock's part follows the time at which a kernel runs, which is another one each time.
    assert np.std(apart[1]) < 0.005
    assert np.std(apart[0]) > 0.03 and np.std(apart[2]) > 0.03
