"""The stand-ins against the libraries they stand in for; machines on which they cannot be built; the profiles."""

from __future__ import annotations

import dataclasses
import itertools
import os
import platform
import re
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from node import ROUND, require_node, variables

import emulator.build as build_module
from emulator.__main__ import load_profile, main
from emulator.allowed import problems
from emulator.build import build, preload
from emulator.environment import node_variables
from emulator.libraries import NOT_SUPPORTED, EmulatorError, Library, find_wheel
from emulator.profile import ModelError, save
from emulator.times.collectives import Protocol
from emulator.times.products import ProductTimes

PROFILES = Path(__file__).resolve().parents[2] / "conf" / "emulator"
REPOSITORY = PROFILES.parents[1]


# What the comment above a value of a profile names: where it is from, or that it is assumed.
SOURCE = re.compile(
    r"https?://|whitepaper|datasheet|API reference|NVIDIA \w+ page|\w+\.yaml|assumed|as above|PyTorch|kernel-times\.md"
)
# Values that stand with others below one comment.
SHARE_A_SOURCE = ("sms", "sm_clock_mhz")


def exported(path: Path) -> dict[str, str]:
    """Functions that a library defines, with their default versions ("" for none). C++'s own are left out."""
    out = subprocess.run(
        ["nm", "-D", "--defined-only", str(path)], check=True, capture_output=True, text=True
    )
    found = {}
    for line in out.stdout.splitlines():
        kind, symbol = line.split()[-2:]
        name, _, version = symbol.partition("@")
        if kind in "TtWwiV" and not name.startswith(("_Z", "_init", "_fini")):
            found[name] = version.lstrip("@")
    return found


@pytest.fixture(scope="module")
def libraries() -> dict[str, Library]:
    require_node()
    return {library.name: library for library in find_wheel(build_module.site_packages()).libraries}


@pytest.mark.parametrize("name", ["cudart", "cublas", "cublasLt", "cudnn", "nccl", "nvrtc"])
def test_every_function_of_the_real_library_is_there_in_its_version(
    libraries: dict[str, Library], name: str
) -> None:
    library = libraries[name]
    assert library.real is not None
    real, own = exported(library.real), exported(build() / library.soname)
    assert len(real) > 10
    assert sorted(set(real) - set(own)) == []
    assert {each: own[each] for each in real if own[each] != real[each]} == {}


def test_all_that_torch_takes_from_the_real_libraries_is_there(libraries: dict[str, Library]) -> None:
    torch = find_wheel(build_module.site_packages()).torch / "lib"
    own: set[str] = set()
    real: set[str] = set()
    for library in libraries.values():
        own |= set(exported(build() / library.soname))
        if library.real is not None:
            out = subprocess.run(
                ["nm", "-D", "--defined-only", str(library.real)], check=True, capture_output=True, text=True
            )
            real |= {line.split()[-1].partition("@")[0] for line in out.stdout.splitlines()}
    wanted: set[str] = set()
    for path in torch.glob("lib*.so"):
        out = subprocess.run(
            ["nm", "-D", "--undefined-only", str(path)], check=True, capture_output=True, text=True
        )
        wanted |= {line.split()[-1].partition("@")[0] for line in out.stdout.splitlines()}
    assert len(wanted & real) > 100
    assert sorted((wanted & real) - own) == []


def test_what_is_not_modelled_refuses_by_name_with_an_error(
    libraries: dict[str, Library], tmp_path: Path
) -> None:
    calls = {
        "cudart": "cudaMipmappedArrayGetMemoryRequirements",
        "cublas": "cublasDrotg_v2",
        "cudnn": "cudnnCTCLoss",
        "nccl": "ncclSend",
        "cuda": "cuTexRefCreate",
    }
    code = f"""
import ctypes
library = ctypes.CDLL(None)
print([getattr(library, name)() for name in {list(calls.values())} for _ in range(2)])
"""
    done = subprocess.run(
        [sys.executable, "-c", code], env=variables(tmp_path), capture_output=True, text=True, check=True
    )
    assert done.stdout == f"{[NOT_SUPPORTED[name] for name in calls for _ in range(2)]}\n"
    assert done.stderr.splitlines() == [f"emulator: {name} is not modelled" for name in calls.values()]


def wheel_at(folder: Path, cuda: str | None) -> Path:
    """A site-packages folder with a torch that has nothing but its version."""
    (folder / "torch").mkdir(parents=True)
    lines = ["__version__ = '9.9.9'", f"cuda: Optional[str] = {cuda!r}", "hip: Optional[str] = None"]
    (folder / "torch" / "version.py").write_text("\n".join(lines) + "\n")
    return folder


def reason(function: Any, *arguments: Any) -> str:
    with pytest.raises(EmulatorError) as error:
        function(*arguments)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_a_torch_without_cuda_is_named(tmp_path: Path) -> None:
    assert "9.9.9 is a build without CUDA" in reason(find_wheel, wheel_at(tmp_path, None))


def test_a_missing_torch_is_named(tmp_path: Path) -> None:
    assert "torch is not installed" in reason(find_wheel, tmp_path)


def test_a_torch_whose_libraries_lie_elsewhere_is_named(tmp_path: Path) -> None:
    assert "only the CUDA wheels of PyPI" in reason(find_wheel, wheel_at(tmp_path, "13.0"))


def test_a_torch_without_headers_is_named(tmp_path: Path) -> None:
    folder = wheel_at(tmp_path, "13.0")
    (folder / "nvidia" / "cu13" / "lib").mkdir(parents=True)
    for name in ("cudart", "cublas", "cublasLt", "nvrtc", "cudnn", "nccl"):
        (folder / "nvidia" / "cu13" / "lib" / f"lib{name}.so.13").touch()
    assert "CUDA's headers" in reason(find_wheel, folder)


@pytest.mark.parametrize(
    ("system", "machine"), [("darwin", "arm64"), ("win32", "AMD64"), ("linux", "riscv64")]
)
def test_another_platform_is_named(monkeypatch: pytest.MonkeyPatch, system: str, machine: str) -> None:
    monkeypatch.setattr(sys, "platform", system)
    monkeypatch.setattr(platform, "machine", lambda: machine)
    said = reason(build)
    assert "Linux only" in said
    assert machine in said


class TestWhereNothingIsBuiltYet:
    @pytest.fixture(autouse=True)
    def _empty(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        require_node()
        monkeypatch.setattr(build_module, "cache_folder", lambda checkout: tmp_path / "cache")

    def test_a_missing_compiler_is_named(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PATH", "")
        monkeypatch.delenv("CXX", raising=False)
        assert "apt-get install g++" in reason(build)

    def test_missing_binutils_are_named(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        compiler = shutil.which("g++") or shutil.which("c++")
        assert compiler is not None
        monkeypatch.setenv("CXX", compiler)
        monkeypatch.setenv("PATH", str(tmp_path))
        assert "apt-get install binutils" in reason(build)

    def test_a_compiler_that_there_is_not_is_named(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("CXX", "no-such-compiler")
        assert "CXX=no-such-compiler" in reason(build)

    def test_what_the_compiler_says_is_told_and_nothing_half_built_is_left(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        broken = tmp_path / "broken"
        broken.write_text("#!/bin/sh\necho no space left >&2\nexit 1\n")
        broken.chmod(0o755)
        monkeypatch.setenv("CXX", str(broken))
        assert reason(build).endswith("cannot be compiled: broken: no space left")
        assert not [each for each in (tmp_path / "cache").iterdir() if each.is_dir()]

    def test_two_builds_at_the_same_time_end_with_one(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        """On two machines that share the folder and not the lock."""
        monkeypatch.setattr("ground.builds.fcntl.flock", lambda file, how: None)
        # Both are told to have compiled before either puts its folder in place.
        meet = threading.Barrier(2)

        def compile_all(compiler: str, wheel: Any, folder: Path) -> None:
            (folder / "libsomething.so.1").touch()
            meet.wait(timeout=30)

        monkeypatch.setattr(build_module, "compile_all", compile_all)
        built: list[Path] = []
        threads = [threading.Thread(target=lambda: built.append(build(quiet=True))) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(built) == 2
        assert built[0] == built[1]
        assert [each for each in (tmp_path / "cache").iterdir() if each.is_dir()] == [built[0]]
        assert [path.name for path in preload(built[0])] == ["libsomething.so.1"]

    def test_a_folder_that_cannot_be_preloaded_from_is_named(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.setattr(build_module, "cache_folder", lambda checkout: tmp_path / "my cache")

        def compile_all(compiler: str, wheel: Any, folder: Path) -> None:
            (folder / "libsomething.so.1").touch()

        monkeypatch.setattr(build_module, "compile_all", compile_all)
        assert "space" in reason(node_variables, ROUND, tmp_path / "node")


def test_what_is_built_is_not_built_again(capfd: pytest.CaptureFixture[str]) -> None:
    require_node()
    before = build().stat().st_mtime_ns
    assert build().stat().st_mtime_ns == before
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("path", sorted(PROFILES.glob("*x8.yaml")), ids=lambda path: path.stem)
def test_profiles_load_and_every_value_has_its_source(path: Path) -> None:
    profile = load_profile(path.stem)
    assert problems(profile) == []
    assert load_profile(str(path)) == profile
    above, without = "", []
    for before, line in itertools.pairwise(path.read_text(encoding="utf-8").splitlines()):
        if before.startswith("#"):
            above = above + before if above else before
        if line.startswith("#"):
            above = above if before.startswith("#") else ""
        elif match := re.match(r"(\w+):", line):
            own = before.startswith("#") or match[1] in SHARE_A_SOURCE
            if match[1] not in ("name", "devices") and not (own and SOURCE.search(above)):
                without.append(match[1])
    assert without == []


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"devices": 0}, "devices"),
        ({"devices": 17}, "devices"),
        ({"devices": "eight"}, "devices"),
        ({"sms": 1.5}, "sms"),
        ({"name": ""}, "name"),
        ({"name": "Emulated two\nlines"}, "name"),
        ({"name": "Emulated " + 90 * "x"}, "name"),
        ({"compute_capability": "9"}, "compute_capability"),
        ({"compute_capability": 9.0}, "compute_capability"),
        ({"flop_s": {"float32": 1e13}}, "flop_s"),
        ({"flop_s": {"float32": "1e13"}}, "flop_s.float32"),
        ({"flop_s": None}, "flop_s"),
        ({"memory_gb_s": float("nan")}, "memory_gb_s"),
        ({"memory_gb_s": None}, "memory_gb_s"),
        ({"link_gb_s": 0.0}, "link_gb_s"),
        ({"launch_host_us": -1.0}, "launch_host_us"),
        ({"products": {}}, "products"),
        ({"products": {**ROUND.products, "float8": ROUND.products["float16"]}}, "products"),
        ({"products": {**ROUND.products, "float32": ProductTimes(1.0, share=0.0)}}, "products.float32.share"),
        ({"products": {**ROUND.products, "float32": ProductTimes("fast")}}, "products.float32.floor_us"),
        ({"products": dict.fromkeys(ROUND.products, 1.0)}, "products"),
        ({"kernels": {"fill": ROUND.kernels["fill"]}}, "kernels"),
        ({"protocols": []}, "protocols"),
        ({"protocols": [Protocol(1.0, 1.0, 1.0)] * 5}, "protocols"),
        ({"protocols": [Protocol(1.0, 1.0, 0.0)]}, "protocols.0.gb_s"),
        ({"errors": {"weather": ModelError()}}, "errors"),
        ({"jitter": -1.0}, "jitter"),
        ({"queued_gap_us": float("inf")}, "queued_gap_us"),
    ],
)
def test_a_value_that_makes_no_sense_is_named(changes: dict[str, Any], key: str) -> None:
    assert key in [problem[0] for problem in problems(dataclasses.replace(ROUND, **changes))]


@pytest.mark.parametrize(
    "text", ["", "[]", "name: [", "colour: red\n", "name: 'no more'\n", "flop_s: 1\n", "\x00"]
)
def test_a_file_that_is_no_profile_is_refused_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    assert main(["run", str(path), "--", "true"]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"emulator: error: profile {path}: ")
    assert said.count("\n") == 1


def test_a_profile_that_there_is_not_is_refused_with_those_that_are(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["run", "abacus", "--", "true"]) == 2
    assert "a100x8, h100x8" in capsys.readouterr().err


def test_a_profile_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    save(ROUND, tmp_path / "profile")
    first = (tmp_path / "profile").stat().st_ino
    save(ROUND, tmp_path / "profile")
    assert (tmp_path / "profile").stat().st_ino != first
    assert [path.name for path in tmp_path.iterdir()] == ["profile"]


def test_a_command_runs_on_a_node_of_its_own() -> None:
    require_node()
    code = "import os, sys; print(os.environ['EMULATOR_NODE'] and 'libcudart' in os.environ['LD_PRELOAD'])"
    for status, last in ((0, ""), (3, "; sys.exit(3)")):
        done = subprocess.run(
            [sys.executable, "-m", "emulator", "run", "v100x8", "--", sys.executable, "-c", code + last],
            cwd=REPOSITORY,
            env={key: value for key, value in os.environ.items() if not key.startswith("EMULATOR_")},
            capture_output=True,
            text=True,
        )
        assert (done.returncode, done.stdout) == (status, "True\n"), done.stderr
