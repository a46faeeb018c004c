"""One set of formulas: what the stand-ins take a call to last is what emulator/times says, over random calls."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest
from node import compiler, load_profile, variables

from emulator.build import SHIMS, SOURCES, build
from emulator.environment import PROFILE
from emulator.profile import Profile
from emulator.times.collectives import collective_us
from emulator.times.device import other_us, product_us
from emulator.times.kernels import ALL_KINDS, kind_of
from emulator.times.products import ITEM_BYTES

CALLS = 4000
NAMES = (
    "_ZN2at6native29vectorized_elementwise_kernelILi4ENS0_11FillFunctorIfEESt5arrayIPcLm1EEEEviT0_T1_",
    "_ZN2at6native29vectorized_elementwise_kernelILi4ENS0_15CUDAFunctor_addIfEESt5arrayIPcLm3EEEEviT0_T1_",
    "_ZN2at6native18elementwise_kernelILi128ELi2EZNS0_22gpu_kernel_impl_nocastEEEviT1_",
    "_ZN2at6native13reduce_kernelILi512ELi1ENS0_8ReduceOpIfEEEEvT1_",
    "_ZN2at6native55_GLOBAL__N__multi_tensor_apply_kernelINS1_18TensorListMetadata",
    "_ZN8cublasLt19splitKreduce_kernelILi32ELi16E",
    "_ZN2at6native43_GLOBAL__N_vectorized_layer_norm_kernelIffEEviT0_",
    "_ZN2at6native_GLOBAL__N_19CatArrayBatchedCopyIfjLi2E",
    "_Z20softmax_warp_forwardIfffLi10ELb0ELb0EEvPT0_",
    "triton_poi_fused_relu_0",
)


def spoken(folder: Path, profile: Profile, lines: list[str]) -> list[float]:
    """What the stand-ins say to each line."""
    environment = variables(folder, profile)
    built = build(quiet=True)
    program = folder / "formulas"
    if not program.exists():
        command = [compiler(), "-std=c++17", "-O1", f"-I{SOURCES}", f"-I{SHIMS}"]
        command += [str(Path(__file__).with_name("formulas.cpp")), "-o", str(program)]
        command += [f"-L{built}", f"-Wl,-rpath,{built}", "-lemulator", "-pthread"]
        subprocess.run(command, check=True, capture_output=True, text=True)
    done = subprocess.run(
        [str(program)],
        input="\n".join(lines),
        env={PROFILE: environment[PROFILE]},
        capture_output=True,
        text=True,
        check=True,
    )
    return [float(line) for line in done.stdout.split()]


@pytest.fixture(scope="module", params=["v100x8", "a100x8", "h100x8", "h200x8"])
def profile(request: pytest.FixtureRequest) -> Profile:
    return load_profile(request.param)


def test_products_take_as_long_in_both(profile: Profile, tmp_path: Path) -> None:
    draw = np.random.default_rng(17)
    sizes = np.exp2(draw.uniform(0, 13, (CALLS, 3))).astype(int)
    sizes[: CALLS // 4] = (
        sizes[: CALLS // 4] // 8 * 8 + 8
    )  # rows that vectors can read are common, and rare at random
    batch = np.where(draw.random(CALLS) < 0.7, 1, draw.integers(1, 64, CALLS))
    arithmetics = list(ITEM_BYTES)
    which = draw.integers(0, len(arithmetics), CALLS)
    transposed = draw.random(CALLS) < 0.5
    numbered = which + len(arithmetics) * transposed
    lines = [f"p {w} {m} {n} {k} {b}" for w, (m, n, k), b in zip(numbered, sizes, batch, strict=True)]
    said = np.array(spoken(tmp_path, profile, lines))
    for number, arithmetic in enumerate(arithmetics):
        own = which == number
        expected = product_us(profile, *sizes[own].T, batch[own], arithmetic, transposed[own])
        assert said[own] == pytest.approx(1e3 * expected, rel=1e-9, abs=1)
        assert len(np.unique(said[own])) > CALLS / 20


def test_other_kernels_and_collectives_take_as_long_in_both(profile: Profile, tmp_path: Path) -> None:
    draw = np.random.default_rng(18)
    which = draw.integers(0, len(ALL_KINDS), CALLS)
    moved, blocks = np.exp2(draw.uniform(0, 32, CALLS)), draw.integers(1, 100_000, CALLS)
    factor, ranks = draw.uniform(0.5, 2, CALLS), draw.integers(2, 17, CALLS)
    lines = [f"k {w} {m!r} {b} 0 0" for w, m, b in zip(which, moved.tolist(), blocks, strict=True)]
    lines += [
        f"c 0 {m!r} {f!r} {r} 0" for m, f, r in zip(moved.tolist(), factor.tolist(), ranks, strict=True)
    ]
    said = np.array(spoken(tmp_path, profile, lines))
    for number, kind in enumerate(ALL_KINDS):
        own = which == number
        expected = other_us(profile, kind, moved[own], blocks[own])
        assert said[:CALLS][own] == pytest.approx(1e3 * expected, rel=1e-9, abs=1)
    expected = collective_us(profile.protocols, profile.collective_floor_us, moved, factor, ranks)
    assert said[CALLS:] == pytest.approx(1e3 * expected, rel=1e-9, abs=1)


def test_names_are_of_one_kind_in_both(tmp_path: Path) -> None:
    said = spoken(tmp_path, load_profile("v100x8"), ["n", *NAMES])
    assert [ALL_KINDS[int(each)] for each in said] == [kind_of(name) for name in NAMES]
    assert len(set(said)) >= 8
