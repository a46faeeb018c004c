"""What a trace tells for a profile: kernels with the sizes of their operators, launches, gaps."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from made_traces import MAIN, Made

from harness.commands.trace import main
from harness.trace.calibration import calibration
from harness.trace.reading.reader import read_trace

GEMM, ADD = "ampere_sgemm_128x64_nn", "vectorized_elementwise_kernel<4, CUDAFunctor_add<float>>"
LATENCY, GAP, CALL, PROFILER = 9.0, 1.0, 6.0, 3.0


class Calibrated(Made):
    """Kernels with grids, operators with sizes."""

    def product(
        self, at: float, dims: list[list[int]], us: float, name: str = "aten::mm", kind: str = "float"
    ) -> None:
        self.add("cpu_op", name, at, 20, MAIN, **{"Input Dims": dims, "Input type": [kind] * len(dims or [])})
        self.launched(GEMM, at + 2, at + 2 + LATENCY, us)

    def launched(self, name: str, called: float, start: float, us: float, block: int = 128) -> None:
        self._number += 1
        grid = {
            "grid": [8, 4, 1],
            "block": [block, 1, 1],
            "device": 0,
            "stream": 7,
            "correlation": self._number,
        }
        self.add("kernel", name, start, us, (0, 7), **grid)
        self.add("cuda_runtime", "cudaLaunchKernel", called, CALL, MAIN, correlation=self._number)


def made() -> Calibrated:
    trace = Calibrated()
    for step, us in enumerate(
        (10.0, 12.0, 14.0)
    ):  # one shape, launched three times, the device idle before each
        trace.product(1000.0 * step, [[64, 32], [32, 16]], us)
    trace.product(4000, [[5], [8, 128, 64], [8, 64, 256]], 30.0, "aten::baddbmm", "c10::Half")
    trace.product(5000, [[3], [100, 200], [200, 50]], 20.0, "aten::addmm")
    # Three launched long before the device comes to them.
    start = 6000 + LATENCY
    for number in range(4):
        trace.launched(ADD, 6000 + 8 * number, start + number * (50 + GAP), 50.0)
    return trace


def test_products_have_the_sizes_of_their_operators(tmp_path: Path) -> None:
    found = calibration([read_trace(made().save(tmp_path / "trace.json"))]).products
    rows = {(row.dtype, row.batch, row.m, row.n, row.k): row for row in found.itertuples()}
    assert set(rows) == {
        ("float32", 1, 64, 16, 32),
        ("float16", 8, 128, 256, 64),
        ("float32", 1, 100, 50, 200),
    }
    mine = rows["float32", 1, 64, 16, 32]
    assert (mine.launches, mine.duration_us, mine.shortest_us, mine.mean_us) == (3, 12.0, 10.0, 12.0)
    assert (mine.kernel, mine.grid, mine.block) == (GEMM, "8x4x1", "128x1x1")


def test_other_kernels_have_their_grid(tmp_path: Path) -> None:
    (row,) = calibration([read_trace(made().save(tmp_path / "trace.json.gz"))]).kernels.itertuples()
    assert (row.kernel, row.grid, row.block, row.launches, row.duration_us) == (
        ADD,
        "8x4x1",
        "128x1x1",
        4,
        50.0,
    )


def test_launches_and_gaps_are_told_without_what_the_profiler_adds(tmp_path: Path) -> None:
    told = calibration([read_trace(made().save(tmp_path / "trace.json"))]).told
    assert told == {
        "launch_host_us": CALL - PROFILER,
        "launch_latency_us": LATENCY - PROFILER,
        "queued_gap_us": GAP,
    }


@pytest.mark.parametrize(
    "dims", ["[[64, 32], [32, 16]]", [[64], []], [], None, [[64, 32, 1], [32]], [[0, 3], [3, 4]]]
)
def test_sizes_that_make_no_sense_are_as_if_they_were_not_there(tmp_path: Path, dims: object) -> None:
    trace = Calibrated()
    trace.product(0, dims, 10.0)  # type: ignore[arg-type]
    assert calibration([read_trace(trace.save(tmp_path / "trace.json"))]).products.empty


def test_the_command_writes_what_a_fit_takes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = made().save(tmp_path / "trace.json")
    assert main([str(file), "--calibrate", str(tmp_path / "tables"), "--profiler-us", "2.5"]) == 0
    assert sorted(path.name for path in (tmp_path / "tables").iterdir()) == [
        "kernels.csv",
        "products.csv",
        "told.csv",
    ]
    told = pd.read_csv(tmp_path / "tables" / "told.csv").set_index("key")["value_us"]
    assert told["launch_host_us"] == CALL - 2.5
    assert "3 rows" in capsys.readouterr().out
    assert not (tmp_path / "trace").exists()


def test_a_trace_without_sizes_says_how_to_record_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trace = Made()
    trace.kernel(10, 5, 0)
    assert main([str(trace.save(tmp_path / "trace.json")), "--calibrate", str(tmp_path / "tables")]) == 0
    assert "record_shapes=True" in capsys.readouterr().out
