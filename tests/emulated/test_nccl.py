"""Communicators as the libraries' callers see them: order, splitting, giving up, and what is left behind.

What PyTorch's process groups make of them stands in test_collectives.py.
"""

from __future__ import annotations

import itertools
import json
import time
from pathlib import Path

import pytest
from bare import Monitor, Program
from communicators import NCCL, left_behind, said_by_ranks
from node import LATENCY_US, ROUND, run, variables

from emulator.ledger import KINDS, read_trace


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    return variables(tmp_path, EMULATOR_TRACE=str(tmp_path))


def test_collectives_of_a_communicator_keep_their_order_on_several_streams(
    environment: dict[str, str],
) -> None:
    # On rank 0 the first of them stands behind another communicator's, which rank 1 reaches last of all; the
    # others stand on a stream of their own. They are more than a communicator has rounds.
    said = said_by_ranks(
        """
first, second = join("first", 2, rank), join("second", 2, rank)
one, other = stream(), stream()
gate, numbers = number(rank + 1), [number((rank + 1) * 10 ** each) for each in range(7)]
if rank == 0:
    reduce(gate, first, one)
reduce(numbers[0], second, one)
for at in numbers[1:]:
    reduce(at, second, other)
if rank == 1:
    time.sleep(0.2)
    reduce(gate, first, stream())
done(one), done(other)
say([value(gate), *map(value, numbers)])
""",
        environment,
    )
    assert said == [[3] + [3 * 10**each for each in range(7)]] * 2


def test_a_communicator_is_split_while_its_collectives_are_still_queued(
    environment: dict[str, str], tmp_path: Path
) -> None:
    said = said_by_ranks(
        """
whole = join("whole", 3, rank)
on, numbers = stream(), [number(10 ** rank) for _ in range(6)]
if rank == 2:
    time.sleep(0.2)
for at in numbers:
    reduce(at, whole, on)
part = split(whole, 0 if rank < 2 else -1, -rank)
for at in numbers[:3]:
    reduce(at, whole, on)
last = number(10 ** rank)
if part:
    reduce(last, part, on)
done(on)
say([value(at) for at in (*numbers, last)])
""",
        environment,
        3,
    )
    assert said == [[333, 333, 333, 111, 111, 111, last] for last in (11, 11, 100)]
    assert left_behind(tmp_path) == []


def test_communicators_are_split_again_and_again(environment: dict[str, str]) -> None:
    # Parts of parts with large colours, each with its sibling.
    said = said_by_ranks(
        """
part, found = join("whole", ranks, rank), []
for _ in range(6):
    at = number(10 ** rank)
    part = split(part, 2_000_000_000 + (rank >= 2), rank)
    reduce(at, part)
    found.append(value(at))
say(found)
""",
        environment,
        4,
    )
    assert said == [[11] * 6, [11] * 6, [1100] * 6, [1100] * 6]


def test_integers_are_averaged_as_nccl_does(environment: dict[str, str]) -> None:
    said = said_by_ranks(
        """
at = number(7 if rank else 2)
reduce(at, join("whole", 2, rank), operation=AVERAGE)
say(value(at))
""",
        environment,
    )
    assert said == [4, 4]


def test_a_collective_ends_for_all_ranks_at_the_same_moment(
    environment: dict[str, str], tmp_path: Path
) -> None:
    # Device 1 is held for 30 ms first; then 8 MB over two devices, all of which pass the link.
    said_by_ranks(
        """
whole, at = join("whole", 2, rank), allocate(8)[1]
reduce(at, whole), done()
if rank == 1:
    work(at, 30_000)
reduce(at, whole, count=1_000_000), done()
say(0)
""",
        environment,
    )
    ledger = read_trace(tmp_path)
    collectives = ledger[ledger["kind"] == KINDS.index("collective")]
    early, late = (collectives[collectives["device"] == device][-1] for device in (0, 1))
    assert early["end"] == late["end"]
    # It begins when the last one has come, whichever that is on a crowded host.
    begin = max(early["start"], late["start"])
    assert begin > min(early["start"], late["start"])
    assert early["end"] - begin == 1e3 * (LATENCY_US + 8e6 / (ROUND.link_gb_s * 1e3))


def test_who_gives_a_communicator_up_waits_no_longer(environment: dict[str, str]) -> None:
    said = said_by_ranks(
        """
whole, at = join("whole", 2, rank), number(1)
if rank == 0:
    reduce(at, whole)
    time.sleep(0.1)
    pending = library.cudaStreamQuery(None)
    library.ncclCommAbort(whole)
    say([pending, done(), work(at, 1), done()])
else:
    say(0)
""",
        environment,
    )
    assert said[0] == [600, 0, 0, 0]  # cudaErrorNotReady


def test_other_ranks_can_meet_after_one_died_waiting(environment: dict[str, str], tmp_path: Path) -> None:
    waits = """
whole = join("whole", 2, rank)
if rank == 0:
    at = number(1)
    reduce(at, whole)
say(0)
sys.stdin.readline()
"""
    with Monitor(environment) as monitor:
        with (
            Program(NCCL + waits, environment, "0") as waiting,
            Program(NCCL + waits, environment, "1") as other,
        ):
            assert [waiting.hears(), other.hears()] == [0, 0]
            time.sleep(0.25)
            # Waiting for a rank is work: the collective's kernel spins on the device.
            assert monitor.look(0)["utilization"] == 100
            assert monitor.look(1)["utilization"] == 0
        assert left_behind(tmp_path) == []
        again = 'at = number(rank + 1)\nreduce(at, join("again", 2, rank))\nsay(value(at))'
        assert said_by_ranks(again, environment) == [3, 3]
        assert monitor.look(0)["memory"] == 0


def test_a_rank_uses_no_device_but_its_own(environment: dict[str, str]) -> None:
    code = """
at, whole = number(1), join("whole", 2, rank)
reduce(at, whole), done()
say(0)
sys.stdin.readline()
"""
    with (
        Monitor(environment) as monitor,
        Program(NCCL + code, environment, "0") as one,
        Program(NCCL + code, environment, "1") as other,
    ):
        assert [one.hears(), other.hears()] == [0, 0]
        users = [[pid for pid, _ in monitor.look(device)["processes"]] for device in range(4)]
    # Memory was allocated before rank 1 chose its device, on device 0.
    assert users == [[one.pid, other.pid], [other.pid], [], []] or users == [
        [other.pid, one.pid],
        [other.pid],
        [],
        [],
    ]


def test_one_process_drives_all_devices_in_a_group(environment: dict[str, str], tmp_path: Path) -> None:
    said = json.loads(
        run(
            NCCL
            + """
refused = [library.ncclCommInitAll((ctypes.c_void_p * 2)(), 2, (ctypes.c_int * 2)(0, 99))]
refused.append(library.ncclCommInitAll((ctypes.c_void_p * 99)(), 99, None))
made = (ctypes.c_void_p * 4)()
assert library.ncclCommInitAll(made, 4, None) == 0
current = ctypes.c_int(-1)
library.cudaGetDevice(ctypes.byref(current))
numbers = []
for device in range(4):
    library.cudaSetDevice(device)
    numbers.append(number(10 ** device))
library.cudaSetDevice(0)
library.ncclGroupStart()
for at, of in zip(numbers, made):
    reduce(at, ctypes.c_void_p(of))  # on the default stream of the communicator's device
library.ncclGroupEnd()
for device in range(4):
    library.cudaSetDevice(device)
    done()
say(refused, current.value, [value(at) for at in numbers])
""",
            environment,
        )
    )
    assert said == [[4, 4], 0, [1111] * 4]  # ncclInvalidArgument
    ledger = read_trace(tmp_path)
    assert sorted(ledger["device"][ledger["kind"] == KINDS.index("collective")]) == [0, 1, 2, 3]
    assert left_behind(tmp_path) == []


def test_pytorch_reduces_and_replicates_over_the_devices_of_one_process(environment: dict[str, str]) -> None:
    said = run(
        """
import json, os, sys, torch
devices = [torch.device("cuda", each) for each in range(4)]
numbers = [torch.tensor([10 ** each], dtype=torch.int64).to(on) for each, on in enumerate(devices)]
torch.cuda.nccl.all_reduce(numbers)
reduced = [int(each.cpu()) for each in numbers]
model = torch.nn.Sequential(torch.nn.Linear(32, 32), torch.nn.ReLU(), torch.nn.Linear(32, 8)).to(devices[0])
parallel = torch.nn.DataParallel(model, device_ids=[0, 1, 2, 3])
out = parallel(torch.zeros(64, 32, device=devices[0]))
out.sum().backward()
torch.cuda.synchronize()
print(json.dumps([reduced, list(out.shape)]))
sys.stdout.flush()
# Threads of the parallel call may still be ending, which an interpreter that ends first turns into an abort.
os._exit(0)
""",
        environment,
    )
    assert json.loads(said) == [[1111] * 4, [64, 8]]


@pytest.mark.parametrize("ranks", [2, 4])
def test_ranks_come_and_go_in_any_order(environment: dict[str, str], ranks: int) -> None:
    # Hundreds of collectives on each, with pauses at other places on each rank.
    said = said_by_ranks(
        """
whole, found = join("whole", ranks, rank), 0
for each in range(300):
    at = number(each * (rank + 1))
    reduce(at, whole)
    if each % (7 + rank) == 0:
        time.sleep(0.001)
    found += value(at) == each * sum(range(ranks + 1))
    library.cudaFree(at)
say(found)
""",
        environment,
        ranks,
    )
    assert said == [300] * ranks


def test_ids_differ(environment: dict[str, str]) -> None:
    said = run(
        NCCL
        + """
ids = [Id() for _ in range(100)]
for each in ids:
    library.ncclGetUniqueId(ctypes.byref(each))
say([each.internal.decode() for each in ids])
""",
        environment,
    )
    assert all(one != other for one, other in itertools.pairwise(sorted(json.loads(said))))
