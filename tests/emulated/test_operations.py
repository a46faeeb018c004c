"""What PyTorch needs of the libraries beside the time of its kernels: old devices, forks, refusals by name."""

from __future__ import annotations

from pathlib import Path

import pytest
from node import ROUND, profile, variables
from programs import facts

from emulator.ledger import KINDS, read_trace
from emulator.times.device import product_us

SELECTIONS = """
x = torch.randn(8, 8, device="cuda")
found["error"] = attempt(lambda: (x @ x, str(x), x.sort(), x.nonzero(), x.softmax(-1)))
"""

REFUSED = """
x = torch.zeros(32, 32, device="cuda")
small = x.to(torch.int8)
REFUSALS = {
    "cudnn": lambda: torch.nn.LSTM(4, 4, proj_size=2).cuda()(torch.zeros(2, 1, 4, device="cuda")),
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

LAYERS = """
nn, F = torch.nn, torch.nn.functional

def trained(model, *inputs):
    model = model.cuda()
    out = model(*inputs)
    (out[0] if isinstance(out, tuple) else out).float().sum().backward()
    torch.cuda.synchronize()

class Attention(nn.Module):
    def __init__(self, dtype):
        super().__init__()
        self.projection = nn.Linear(64, 192, dtype=dtype)

    def forward(self, x):
        q, k, v = self.projection(x).unflatten(-1, (3, 4, 16)).transpose(1, 3).unbind(2)
        return F.scaled_dot_product_attention(q, k, v, is_causal=True)

images = torch.zeros(4, 16, 32, 32, device="cuda", requires_grad=True)
tokens = torch.zeros(2, 24, 64, device="cuda")
LAYERS = {
    "conv": lambda: trained(nn.Conv2d(16, 32, 3, padding=1), images),
    "conv half": lambda: trained(nn.Conv2d(16, 32, 3).half(), images.half()),
    "conv channels last": lambda: trained(nn.Conv2d(16, 32, 3), images.contiguous(memory_format=torch.channels_last)),
    "grouped": lambda: trained(nn.Conv2d(16, 32, 3, groups=4, stride=2, dilation=2), images),
    "transposed": lambda: trained(nn.ConvTranspose2d(16, 8, 4, stride=2), images),
    "conv 1d": lambda: trained(nn.Conv1d(24, 8, 3), tokens),
    "conv 3d": lambda: trained(nn.Conv3d(4, 8, 3), torch.zeros(2, 4, 8, 8, 8, device="cuda")),
    "batch norm": lambda: trained(nn.BatchNorm2d(16).eval(), images),
    "pool": lambda: trained(nn.Sequential(nn.MaxPool2d(2), nn.AdaptiveAvgPool2d(1)), images),
    "layer norm": lambda: trained(nn.LayerNorm(64), tokens),
    "embedding": lambda: trained(nn.Embedding(100, 16), torch.zeros(8, 5, dtype=torch.long, device="cuda")),
    "bag": lambda: trained(nn.EmbeddingBag(100, 16), torch.zeros(8, 5, dtype=torch.long, device="cuda")),
    "attention": lambda: trained(Attention(torch.float32), tokens),
    "attention half": lambda: trained(Attention(torch.float16), tokens.half()),
    "attention bfloat16": lambda: trained(Attention(torch.bfloat16), tokens.bfloat16()),
    "encoder": lambda: trained(nn.TransformerEncoderLayer(64, 4, 128, batch_first=True), tokens),
    "softmax": lambda: trained(nn.Sequential(nn.Linear(64, 10), nn.LogSoftmax(-1)), tokens),
}
for name, work in LAYERS.items():
    found[name] = attempt(work)
print(json.dumps(found), flush=True)
# Threads of backward may still be ending, which an interpreter that ends first turns into an abort.
os._exit(0)
"""

CONVOLUTION = """
x = torch.zeros(8, 64, 28, 28, device="cuda", dtype=torch.float16)
layer = torch.nn.Conv2d(64, 128, 3, padding=1, bias=False).cuda().half()
with torch.no_grad():
    for _ in range(3):
        layer(x)
torch.cuda.synchronize()
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


@pytest.mark.parametrize("capability", ["7.0", "8.0", "9.0"])
def test_layers_that_models_are_made_of_run_forward_and_backward(folder: Path, capability: str) -> None:
    found = facts(LAYERS, variables(folder, profile(compute_capability=capability)))
    assert {name: error for name, error in found.items() if error} == {}
    assert len(found) == 17


def test_a_convolution_takes_as_long_as_the_matrix_product_that_it_is(folder: Path) -> None:
    facts(CONVOLUTION, variables(folder, EMULATOR_TRACE=str(folder / "trace")))
    records = read_trace(folder / "trace")
    (took,) = set(records["modelled"][records["kind"] == KINDS.index("gemm")].tolist())
    assert took / 1e3 == pytest.approx(
        float(product_us(ROUND, 8 * 28 * 28, 128, 64 * 9, 1, "float16")[0]), abs=0.001
    )


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
