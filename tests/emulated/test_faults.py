"""Faults on demand, as PyTorch, other processes and NVML meet them; and settings that make no sense."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from bare import BARE, Monitor, Program
from node import profile, variables

LAUNCH_FAILED, UNAVAILABLE, OUT_OF_MEMORY = 719, 46, 2  # of cudaError_t

# One device for each of the faults.
FAULTS = ";".join(
    [
        "oom:device=0,after=1",  # the first allocation is there, the second one and PyTorch's second try fail
        "launch:device=1,after=3",
        "lost:device=2,after=2",
        "slow:device=3,factor=3",
        "oom:device=4,after=0,times=1",
    ]
)

TORCH = """
import json, torch
found = {}

def attempt(work):
    try:
        work()
    except Exception as error:
        return [type(error).__name__, str(error).splitlines()[0]]
    return "fine"

def launches(device, times=1):
    torch.cuda.set_device(device)
    for _ in range(times):
        torch.cuda._sleep(1000)
    torch.cuda.synchronize()

def held_us(device, work):
    torch.cuda.set_device(device)
    start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    torch.cuda._sleep(20_000_000)
    start.record(), work(), end.record()
    torch.cuda.synchronize()
    return start.elapsed_time(end) * 1e3

def graphed():
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        torch.cuda._sleep(1_000_000)
    return graph

torch.cuda.set_device(3)
graph = graphed()
found["slow"] = [held_us(3, lambda: torch.cuda._sleep(1_000_000)), held_us(5, lambda: torch.cuda._sleep(1_000_000))]
found["slow graph"] = held_us(3, graph.replay)

large = lambda device: torch.empty(100 << 20, dtype=torch.uint8, device=device)
kept = [large(0)]
found["oom"] = [attempt(lambda: kept.append(large(0))) for _ in range(2)]
found["oom once"] = attempt(lambda: kept.append(large(4)))
found["launch"] = [attempt(lambda: launches(1, 3)), *(attempt(lambda: launches(1)) for _ in range(3))]
found["allocation after"] = attempt(lambda: large(1))
found["others after launch"] = attempt(lambda: launches(5))
found["lost"] = [attempt(lambda: launches(2, 2)), attempt(lambda: launches(2)), attempt(lambda: launches(2))]
found["others after loss"] = attempt(lambda: launches(5))
print(json.dumps(found))
"""

# What a process meets on a device: setting it, memory, work, waiting for it.
USES = """
device = int(sys.argv[1])
tried = [library.cudaSetDevice(device)]
status, at = allocate(1)
tried += [status, work(at, 10), library.cudaDeviceSynchronize()]
say(tried)
"""


def uses(environment: dict[str, str], device: int) -> list[int]:
    """What a new process meets on a device."""
    with Program(BARE + USES, environment, str(device)) as program:
        return list(program.hears())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("faults")


@pytest.fixture(scope="module")
def environment(folder: Path) -> dict[str, str]:
    return variables(folder, EMULATOR_FAULTS=FAULTS)


@pytest.fixture(scope="module")
def met(environment: dict[str, str]) -> dict[str, Any]:
    """What PyTorch made of all of them in one process."""
    done = subprocess.run([sys.executable, "-c", TORCH], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return dict(json.loads(done.stdout.splitlines()[-1]))


def test_an_allocation_fails_as_out_of_memory_and_the_next_one_works(met: dict[str, Any]) -> None:
    (error, text), after = met["oom"]
    assert error == "OutOfMemoryError"
    assert "out of memory" in text
    assert after == "fine"


def test_pytorch_gets_over_an_allocation_that_fails_once(met: dict[str, Any]) -> None:
    assert met["oom once"] == "fine"


def test_a_launch_that_fails_fails_all_that_follows_on_the_device(met: dict[str, Any]) -> None:
    first, *others = met["launch"]
    assert first == "fine"
    for error, text in [*others, met["allocation after"]]:
        assert error in ("AcceleratorError", "RuntimeError")
        assert "unspecified launch failure" in text
    assert met["others after launch"] == "fine"


def test_a_launch_that_failed_is_over_for_a_new_process(
    met: dict[str, Any], environment: dict[str, str]
) -> None:
    assert uses(environment, 1) == [0, 0, 0, 0]


def test_a_lost_device_fails_and_the_others_work(met: dict[str, Any]) -> None:
    first, *others = met["lost"]
    assert first == "fine"
    for error, text in others:
        assert error in ("AcceleratorError", "RuntimeError")
        assert "unavailable" in text
    assert met["others after loss"] == "fine"


def test_a_lost_device_is_lost_for_new_processes_and_for_nvml(
    met: dict[str, Any], environment: dict[str, str]
) -> None:
    assert uses(environment, 2) == [UNAVAILABLE] * 4
    assert uses(environment, 5) == [0, 0, 0, 0]
    with Monitor(environment) as monitor:
        assert monitor.look(2) == {"lost": "NVMLError_GpuIsLost"}
        assert monitor.look(1)["uuid"].startswith("GPU-")


def test_a_slow_device_takes_its_multiple_of_the_time(met: dict[str, Any]) -> None:
    slow, usual = met["slow"]
    assert usual == pytest.approx(1000, abs=1)
    assert slow == pytest.approx(3000, abs=1)
    assert met["slow graph"] == pytest.approx(3000, abs=1)


class TestWhatOtherProcessesMeet:
    @pytest.fixture
    def node_environment(self, tmp_path: Path) -> dict[str, str]:
        return variables(tmp_path, profile(utilization_window_ms=50.0))

    def test_one_that_waits_for_the_device_hears_of_its_loss(self, node_environment: dict[str, str]) -> None:
        # It waits for a rank that never comes; a second process's launch then loses the device.
        waits = """
class Id(ctypes.Structure):
    _fields_ = [("internal", ctypes.c_char * 128)]
rank = int(sys.argv[1])
library.cudaSetDevice(rank)
at, comm = allocate(1)[1], ctypes.c_void_p()
library.ncclCommInitRank(ctypes.byref(comm), 2, Id(b"pair"), rank)
if rank == 0:
    library.ncclAllReduce(at, at, ctypes.c_size_t(1), 4, 0, comm, None)
say("ready")
say(library.cudaDeviceSynchronize() if rank == 0 else sys.stdin.readline())
"""
        losing = {**node_environment, "EMULATOR_FAULTS": "lost:device=0,after=0"}
        with (
            Program(BARE + waits, node_environment, "0") as waiting,
            Program(BARE + waits, node_environment, "1") as other,
        ):
            assert [waiting.hears(), other.hears()] == ["ready", "ready"]
            assert uses(losing, 0)[-1] == UNAVAILABLE
            assert waiting.hears() == UNAVAILABLE

    def test_faults_are_counted_over_all_processes(self, node_environment: dict[str, str]) -> None:
        third = {**node_environment, "EMULATOR_FAULTS": "oom:device=0,after=2,times=1"}
        assert [uses(third, 0)[1] for _ in range(5)] == [0, 0, OUT_OF_MEMORY, 0, 0]


RANKS = """
class Id(ctypes.Structure):
    _fields_ = [("internal", ctypes.c_char * 128)]
rank = int(sys.argv[1])
library.cudaSetDevice(rank)
at, comm = allocate(8)[1], ctypes.c_void_p()
library.ncclCommInitRank(ctypes.byref(comm), 2, Id(b"pair"), rank)
say(os.getpid())

def reduce(count):
    return library.ncclAllReduce(at, at, ctypes.c_size_t(count), 4, 0, comm, None)

def event():
    made = ctypes.c_void_p()
    library.cudaEventCreate(ctypes.byref(made))
    return made

for line in sys.stdin:
    reduce(1), library.cudaDeviceSynchronize()
    start, end, took = event(), event(), ctypes.c_float()
    work(at, 300_000)
    library.cudaEventRecord(start, None), reduce(1_000_000), library.cudaEventRecord(end, None)
    if line.strip() == "wait":
        library.cudaDeviceSynchronize()
        library.cudaEventElapsedTime(ctypes.byref(took), start, end)
        say(took.value)
    else:
        time.sleep(1)
        say(library.cudaStreamQuery(None))
"""


@pytest.fixture
def ranks(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[tuple[Program, Program]]:
    environment = variables(tmp_path, EMULATOR_FAULTS=request.param)
    with (
        Program(BARE + RANKS, environment, "0") as one,
        Program(BARE + RANKS, environment, "1") as other,
    ):
        assert [one.hears(), other.hears()] == [one.pid, other.pid]
        yield one, other


@pytest.mark.parametrize("ranks", ["hang:device=1,after=1"], indirect=True)
def test_a_collective_never_completes_for_any_rank(ranks: tuple[Program, Program]) -> None:
    for rank in ranks:
        rank.tell("ask")
    assert [rank.hears() for rank in ranks] == [600, 600]  # cudaErrorNotReady


@pytest.mark.parametrize("ranks", ["slow:device=1,factor=2"], indirect=True)
def test_a_slow_device_prolongs_the_collectives_it_is_in(ranks: tuple[Program, Program]) -> None:
    for rank in ranks:
        rank.tell("wait")
    fast, slow = (rank.hears() for rank in ranks)
    # 20 us and 8 MB at 100 GB/s, twice; the other rank waits until the slow one's longer hold is over.
    assert slow == pytest.approx(2 * 0.1, abs=1e-4)
    assert fast > 100 * slow


@pytest.mark.parametrize(
    "faults",
    [
        "explosion:device=0",
        "lost",
        "lost:",
        "lost:device=8",
        "lost:device=-1",
        "lost:device=1.5",
        "oom:device=0,after=many",
        "oom:device=0,after=nan",
        "slow:device=0,factor=0",
        "oom:device=0;launch",
    ],
)
def test_a_fault_that_makes_no_sense_is_refused_in_one_line(tmp_path: Path, faults: str) -> None:
    said = refused(variables(tmp_path, EMULATOR_FAULTS=faults))
    assert said.startswith("emulator: EMULATOR_FAULTS: ")
    assert "allowed" in said


@pytest.mark.parametrize(
    ("text", "named"),
    [
        (None, "cannot be read"),
        ("", "lacks name"),
        ("sms 80\n", "lacks name"),
        ("memory_gb_s fast\n", "memory_gb_s"),
        ("memory_gb_s -1\n", "memory_gb_s"),
        ("memory_gb_s 0\n", "memory_gb_s"),
        ("link_gb_s nan\n", "link_gb_s"),
    ],
)
def test_a_profile_that_makes_no_sense_is_refused_in_one_line(
    tmp_path: Path, text: str | None, named: str
) -> None:
    environment = variables(tmp_path)
    path = Path(environment["EMULATOR_PROFILE"])
    if text is None:
        path.unlink()
    elif named.startswith("lacks"):
        path.write_text(text, encoding="utf-8")
    else:
        path.write_text(path.read_text(encoding="utf-8") + text, encoding="utf-8")  # the later line counts
    said = refused(environment)
    assert said.startswith("emulator: EMULATOR_PROFILE: ")
    assert str(path) in said
    assert named in said


def test_a_node_file_that_is_none_is_refused_in_one_line(tmp_path: Path) -> None:
    environment = variables(tmp_path)
    Path(environment["EMULATOR_NODE"]).write_text("something else", encoding="utf-8")
    assert "remove it" in refused(environment)
    Path(environment["EMULATOR_NODE"]).unlink()
    Path(environment["EMULATOR_NODE"]).mkdir()
    assert "EMULATOR_NODE" in refused(environment)


def refused(environment: dict[str, str]) -> str:
    """The one line with which a process ends that uses a device."""
    code = BARE + "library.cudaSetDevice(0)\nallocate(1)\n"
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert done.returncode == 1, done.stdout + done.stderr
    assert done.stderr.count("\n") == 1, done.stderr
    return done.stderr


def test_processes_that_use_no_device_leave_nothing(tmp_path: Path) -> None:
    environment = variables(tmp_path, EMULATOR_TRACE=str(tmp_path), EMULATOR_FAULTS="nonsense")
    before = sorted(tmp_path.iterdir())
    subprocess.run([sys.executable, "-c", "pass"], env=environment, check=True)
    assert sorted(tmp_path.iterdir()) == before
