"""What PyTorch needs of the libraries beside the time of its kernels: old devices, forks, refusals by name."""

from __future__ import annotations

from pathlib import Path

import pytest
from node import profile, variables
from programs import facts

from emulator.ledger import read_trace

SELECTIONS = """
x = torch.randn(8, 8, device="cuda")
found["error"] = attempt(lambda: (x @ x, str(x), x.sort(), x.nonzero(), x.softmax(-1)))
"""

REFUSED = """
x = torch.zeros(32, 32, device="cuda")
small = x.to(torch.int8)
REFUSALS = {
    "cudnn": lambda: torch.nn.Conv2d(3, 4, 3).cuda()(torch.zeros(1, 3, 8, 8, device="cuda")),
    "cufft": lambda: torch.fft.fft(x),
    "cusolver": lambda: torch.linalg.svd(x),
    "cublascgemm": lambda: x.to(torch.cfloat) @ x.to(torch.cfloat),
    "cublasltmatmul": lambda: torch._int_mm(small, small),
    "not supported by the emulated node": lambda: x.untyped_storage()._share_cuda_(),
}
for name, work in REFUSALS.items():
    found[name] = attempt(work)
found["afterwards"] = attempt(lambda: x @ x)
"""

FORKED = """
from torch.utils.data import DataLoader
x = torch.zeros(3, device="cuda")
x.add_(1)
torch.cuda.synchronize()
assert len(list(DataLoader(list(range(8)), num_workers=2, batch_size=4))) == 2
child = os.fork()
if child == 0:
    sys.exit(7)  # by way of the destructors, which a worker of a loader skips
found["child"] = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
x.add_(1)
torch.cuda.synchronize()
"""

GRAPH_OF_COPIES = """
source, target = torch.arange(5).cuda(), torch.zeros(5, dtype=torch.long, device="cuda")
graph = torch.cuda.CUDAGraph()
with torch.cuda.graph(graph):
    target.copy_(source)
source.copy_(torch.arange(5) * 3)
graph.replay()
found["copied"] = target.tolist()
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "trace").mkdir()
    return tmp_path


def test_a_device_older_than_the_wheels_code_runs_all_the_same(folder: Path) -> None:
    # The newest wheels have no code for a V100 and their sorting refuses it; here no code is executed.
    found = facts(SELECTIONS, variables(folder, profile(compute_capability="7.0")))
    assert found["error"] == ""


def test_what_is_not_modelled_is_an_error_that_names_it(folder: Path) -> None:
    found = facts(REFUSED, variables(folder))
    assert found.pop("afterwards") == ""
    assert len(found) == 6
    for name, error in found.items():
        assert name in error.lower().replace("(by", "by"), (name, error)


def test_a_forked_child_writes_nothing_into_its_parents_ledger(folder: Path) -> None:
    found = facts(FORKED, variables(folder, EMULATOR_TRACE=str(folder / "trace")))
    assert found["child"] == 7
    records = read_trace(folder / "trace")
    assert len(list((folder / "trace").iterdir())) == 1
    # Two launches of ours; zeros are a kernel or a memset of PyTorch's.
    assert 2 <= len(records) <= 3
    assert len(set(records["called"].tolist())) == len(records)


def test_a_graph_copies_between_places_of_a_device(folder: Path) -> None:
    assert facts(GRAPH_OF_COPIES, variables(folder))["copied"] == [0, 3, 6, 9, 12]
