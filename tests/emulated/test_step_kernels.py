"""The list of a step's kernels, by which predictions reckon, against what PyTorch launches on the emulated node."""

from __future__ import annotations

from pathlib import Path

import pytest
from node import load_profile, variables
from programs import facts

from emulator.ledger import KINDS, Records, read_trace
from harness.kernels.shape import Shape
from harness.kernels.step import device_us, kernels

# One step after others, between two copies of an odd number of bytes that nothing else makes.
CODE = """
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel
from harness.models.mlp import build_empty_model
os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT="0", RANK="0", WORLD_SIZE="1")
dist.init_process_group("nccl", store=dist.HashStore(), rank=0, world_size=1)
sizes, batch, train = json.loads(sys.argv[1])
model = build_empty_model(sizes, dtype="float32", device=torch.device("cuda:0"))
inputs = torch.zeros(batch, sizes[0], device="cuda")
labels = torch.zeros(batch, dtype=torch.int64, device="cuda")
if train:
    model = DistributedDataParallel(model, device_ids=[0])
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-4)

def step():
    if not train:
        with torch.inference_mode():
            return model(inputs)
    optimizer.zero_grad(set_to_none=True)
    torch.nn.functional.cross_entropy(model(inputs), labels).backward()
    optimizer.step()

for _ in range(3):
    step()
torch.cuda.synchronize()
found["start"] = time.monotonic_ns()
step()
torch.cuda.synchronize()
found["end"] = time.monotonic_ns()
dist.destroy_process_group()
"""

SHAPES = [
    Shape((64,) * 5, 1),
    Shape((512, 256, 128, 10), 96),
    Shape((64,) * 9, 64, "train"),
    Shape((512,) * 5, 1000, "train"),
    Shape((300, 1024, 1024, 10), 513, "train"),
]


@pytest.mark.parametrize(
    "shape", SHAPES, ids=lambda s: f"{s.workload}-{len(s.sizes)}x{max(s.sizes)}-{s.batch}"
)
def test_kernels_and_times_are_those_of_an_eager_step(tmp_path: Path, shape: Shape) -> None:
    profile = load_profile("v100x8")
    (tmp_path / "trace").mkdir()
    environment = variables(tmp_path, profile, EMULATOR_TRACE=str(tmp_path / "trace"))
    argument = f"[{list(shape.sizes)}, {shape.batch}, {str(shape.workload == 'train').lower()}]"
    said = facts(CODE, environment, argument)
    own = of_step(read_trace(tmp_path / "trace"), said["start"], said["end"])
    assert len(own) == pytest.approx(len(kernels(shape)), rel=0.02)
    modelled_us = own["modelled"].sum() / 1e3 + len(own) * profile.queued_gap_us
    assert device_us(shape, profile) == pytest.approx(modelled_us, rel=0.05)


def of_step(records: Records, start: int, end: int) -> Records:
    """Without collectives, which are reckoned apart."""
    own = records[(records["called"] >= start) & (records["called"] <= end)]
    return own[own["kind"] != KINDS.index("collective")]
