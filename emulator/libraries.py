"""Which libraries are stood in for, and what the installed torch wants of them.

In: site-packages. Out: sonames, symbol versions and the names of all functions. Must not know how the
stand-ins are compiled.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from ground.children import ask

# The status that a call gets which is not modelled: an error of its library, never a silent success.
NOT_SUPPORTED = {
    "cudart": 801,  # cudaErrorNotSupported
    "cublas": 15,  # CUBLAS_STATUS_NOT_SUPPORTED
    "cublasLt": 15,
    "cudnn": 3000,  # CUDNN_STATUS_NOT_SUPPORTED
    "nccl": 5,  # ncclInvalidUsage
    "nvrtc": 11,  # NVRTC_ERROR_INTERNAL_ERROR
    "cuda": 801,  # CUDA_ERROR_NOT_SUPPORTED
    "nvidia-ml": 3,  # NVML_ERROR_NOT_SUPPORTED
}


class EmulatorError(Exception):
    """The emulator cannot be built or used here; says why in one line."""


@dataclass(frozen=True)
class Library:
    """A library to stand in for. real: the wheel's own, or None for the driver's, which no wheel has."""

    name: str
    soname: str
    sources: tuple[str, ...]
    real: Path | None
    versioned: bool


@dataclass(frozen=True)
class Wheel:
    """The installed CUDA build of torch and the headers that came with it."""

    torch: Path
    version: str
    cuda_major: int
    libraries: tuple[Library, ...]
    includes: tuple[Path, ...]

    @property
    def cuda_header(self) -> Path:
        return self.includes[0] / "cuda.h"


RUNTIME_SOURCES = ("cudart_device", "cudart_stream", "cudart_memory", "cudart_launch")
NCCL_SOURCES = ("nccl_communicator", "nccl_split", "nccl_rounds", "nccl_collective", "nccl_values")


def find_wheel(site_packages: Path) -> Wheel:
    """The CUDA wheel of torch in a site-packages folder.

    Raises EmulatorError where torch is missing, a build without CUDA, or laid out in another way.
    """
    torch = site_packages / "torch"
    version_file = torch / "version.py"
    if not version_file.exists():
        raise EmulatorError("torch is not installed in this environment: pip install -r requirements.txt")
    text = version_file.read_text(encoding="utf-8")
    version = _assigned(text, "__version__") or "?"
    cuda = _assigned(text, "cuda")
    if cuda is None:
        raise EmulatorError(
            f"torch {version} is a build without CUDA; the emulated node needs a CUDA build, "
            "which needs no GPU: pip install -r requirements.txt"
        )
    major = int(cuda.split(".")[0])
    nvidia = site_packages / "nvidia"
    names = {
        "cudart": ("libcudart.so", RUNTIME_SOURCES, True),
        "cublas": ("libcublas.so", ("cublas",), True),
        "cublasLt": ("libcublasLt.so", ("cublaslt",), True),
        "nvrtc": ("libnvrtc.so", ("nvrtc",), True),
        "cudnn": ("libcudnn.so", ("cudnn", "cudnn_graph", "cudnn_norm", "cudnn_rnn"), True),
        "nccl": ("libnccl.so", NCCL_SOURCES, False),
    }
    libraries = [Library("cuda", "libcuda.so.1", ("driver",), None, False)]
    libraries.append(Library("nvidia-ml", "libnvidia-ml.so.1", ("nvml",), None, False))
    for name, (stem, sources, versioned) in names.items():
        found = sorted(
            path for path in nvidia.glob(f"*/lib/{stem}.*") if re.fullmatch(r".*\.so\.\d+", path.name)
        )
        if not found:
            raise EmulatorError(
                f"torch {version} came without {stem}.*: only the CUDA wheels of PyPI are supported"
            )
        libraries.append(Library(name, found[0].name, sources, found[0], versioned))
    includes = tuple(
        path.parent
        for pattern in (
            "*/include/cuda.h",
            "*/include/cublasLt.h",
            "*/include/nvrtc.h",
            "*/include/nccl.h",
            "*/include/cudnn.h",
            "*/include/cuda_runtime_api.h",
        )
        for path in sorted(nvidia.glob(pattern))[:1]
    )
    if not any((folder / "cuda_runtime_api.h").exists() for folder in includes):
        raise EmulatorError(
            f"torch {version} came without CUDA's headers: only the CUDA wheels of PyPI are supported"
        )
    return Wheel(torch, version, major, tuple(libraries), tuple(dict.fromkeys(includes)))


def functions_of(library: Library, wheel: Wheel, preprocessed_cuda_h: str) -> list[str]:
    """Names of all functions that the real library defines."""
    if library.real is not None:
        return defined(library.real)
    if library.name == "nvidia-ml":
        # PyTorch looks functions up by name, and gives up where it lacks one.
        asked = (wheel.torch / "lib" / "libc10_cuda.so").read_bytes()
        return sorted({name.decode() for name in re.findall(rb"(?<=\x00)nvml[A-Z]\w+(?=\x00)", asked)})
    if library.name == "cuda":
        return sorted(set(re.findall(r"\b(cu[A-Z]\w*)\s*\(", preprocessed_cuda_h)))
    return []


def defined(path: Path) -> list[str]:
    """Names that a shared library defines, without versions. C++'s own are left out."""
    done = ask(["nm", "-D", "--defined-only", str(path)])
    done.check_returncode()
    out = done.stdout
    names = {line.split()[-1].split("@")[0] for line in out.splitlines() if line.split()[-2] in "TtWwiV"}
    return sorted(name for name in names if re.fullmatch(r"[A-Za-z]\w*|__(?:cuda|nvrtc)\w+", name))


def _assigned(text: str, name: str) -> str | None:
    found = re.search(rf"^{name}(?:\s*:[^=]+)?\s*=\s*['\"]([^'\"]+)['\"]", text, re.MULTILINE)
    return found[1] if found else None
