"""What gpu-check makes of the kernels that a profiler saw, with a trace that is made up."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from made_traces import MAIN, Made

from benchmarks import gpu_check
from emulator.__main__ import load_profile


def recorded(folder: Path) -> Path:
    trace = Made()
    for number in range(40):
        at, m = 1000.0 * number, 64 + 32 * number
        sizes = {"Input Dims": [[m, 512], [512, 256]], "Input type": ["float", "float"]}
        trace.add("cpu_op", "aten::mm", at, 30, MAIN, **sizes)
        for offset, name, us in (
            (2, "ampere_sgemm_64x64_nn", 10.0 + m / 50),
            (12, "FillFunctor<float>", 3.0 + m / 900),
        ):
            trace._number += 1
            grid = {
                "grid": [m, 1, 1],
                "block": [128, 1, 1],
                "device": 0,
                "stream": 7,
                "correlation": trace._number,
            }
            trace.add("kernel", name, at + offset + 9, us, (0, 7), **grid)
            trace.add("cuda_runtime", "cudaLaunchKernel", at + offset, 5, MAIN, correlation=trace._number)
    return trace.save(folder / "kernels.json.gz")


def test_kernels_of_the_gpu_are_held_against_the_profile_and_fitted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("benchmarks.kernels.measured.record", recorded)
    gpu_check._kernels(tmp_path, "v100x8", fit=True)
    rows = pd.read_csv(tmp_path / "kernels.csv")
    assert set(rows["type"]) == {"float32", "fill"}
    assert (rows["measured_us"] > 0).all() and (rows["modelled_us"] > 0).all()
    said = capsys.readouterr().out
    assert "under 15 us" in said and "not fitted on" in said
    fitted = load_profile(str(tmp_path / "fitted.yaml"))
    assert fitted.launch_latency_us == 6.0  # 9 us under the profiler
    assert fitted.kernels["fill"] != load_profile("v100x8").kernels["fill"]


def test_where_the_profiler_sees_nothing_it_is_said_and_the_rest_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def blind(_: Path) -> Path:
        raise RuntimeError("the profiler saw no kernel")

    monkeypatch.setattr("benchmarks.kernels.measured.record", blind)
    gpu_check._kernels(tmp_path, "v100x8", fit=False)
    assert "saw no kernel" in capsys.readouterr().err
