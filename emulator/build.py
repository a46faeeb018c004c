"""Compile the stand-ins with g++ against the installed torch, once for each version of either.

In: emulator/src and the wheel. Out: a folder with the libraries. Must not know profiles or the harness.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import platform
import shutil
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from subprocess import CompletedProcess

from emulator.libraries import NOT_SUPPORTED, EmulatorError, Library, Wheel, find_wheel, functions_of
from ground.builds import cache_folder, is_complete, keep_build
from ground.children import Children, ask

Ask = Callable[[list[str]], "CompletedProcess[str]"]

CHECKOUT = Path(__file__).resolve().parent.parent
SOURCES = Path(__file__).resolve().parent / "src"
SHIMS = Path(__file__).resolve().parent / "include"
CORE = (
    "clock",
    "process",
    "profile",
    "node",
    "busy",
    "faults",
    "trace",
    "kernels",
    "products",
    "jitter",
    "memory",
    "capture",
    "placing",
    "timeline",
    "devices",
)
CORE_LIBRARY = "libemulator.so"
LINKED = "linked"
FLAGS = ("-std=c++17", "-O1", "-fPIC", "-Wall", "-Wextra", "-Wno-unused-parameter")


def build(quiet: bool = False) -> Path:
    """The folder with the libraries for the installed torch, built if they are not there yet.

    Raises EmulatorError with the reason where this is not possible.
    """
    if sys.platform != "linux" or platform.machine() not in ("x86_64", "aarch64"):
        raise EmulatorError(
            f"the emulated node runs on Linux only, not on {sys.platform} {platform.machine()}"
        )
    wheel = find_wheel(site_packages())
    folder = cache_folder(CHECKOUT) / f"emulator-{_digest(wheel)}"
    if is_complete(folder):
        return folder
    if (named := os.environ.get("CXX")) and not shutil.which(named):
        raise EmulatorError(f"CXX={named}: there is no such command; unset CXX, or name a C++ compiler")
    compiler = named or shutil.which("g++") or shutil.which("c++")
    for tool, package in ((compiler, "g++"), (shutil.which("nm"), "binutils")):
        if not tool:
            raise EmulatorError(
                f"the emulated node is compiled and needs {package}: apt-get install {package}"
            )

    def say() -> None:
        if not quiet:
            text = f"building the emulated node for torch {wheel.version} in {folder}"
            print(text, file=sys.stderr, flush=True)

    keep_build(folder, lambda made: compile_all(str(compiler), wheel, made), say)
    return folder


def preload(folder: Path) -> list[Path]:
    """The libraries to name in LD_PRELOAD, found by their sonames before the wheel's own."""
    return sorted(path for path in folder.glob("lib*.so*") if path.name != CORE_LIBRARY)


def include_folders() -> list[Path]:
    """CUDA's headers as they come with the wheel, and before them what the wheel lacks."""
    return [SHIMS, *find_wheel(site_packages()).includes]


def site_packages() -> Path:
    """Where torch is installed; looked up without importing it."""
    found = importlib.util.find_spec("torch")
    if found is None or found.origin is None:
        raise EmulatorError("torch is not installed in this environment: pip install -r requirements.txt")
    return Path(found.origin).resolve().parents[1]


def _digest(wheel: Wheel) -> str:
    digest = hashlib.sha256(f"{wheel.version} {wheel.torch} {FLAGS}".encode())
    for path in sorted(
        [*SOURCES.iterdir(), *SHIMS.rglob("*.h"), Path(__file__), Path(__file__).with_name("libraries.py")]
    ):
        digest.update(path.name.encode() + path.read_bytes())
    for library in wheel.libraries:
        if library.real is not None:
            digest.update(f"{library.real.name} {library.real.stat().st_size}".encode())
    return digest.hexdigest()[:12]


def compile_all(compiler: str, wheel: Wheel, folder: Path) -> None:
    """Compile and link every stand-in into a folder. Raises EmulatorError with what the compiler said."""
    includes = [f"-I{path}" for path in (SHIMS, SOURCES, *wheel.includes)]
    flags = [*FLAGS, f"-DEMULATED_CUDA_MAJOR={wheel.cuda_major}", *includes]
    units = {*CORE, *(source for library in wheel.libraries for source in library.sources)}

    def compile_unit(unit: str) -> None:
        _run(
            [compiler, *flags, "-c", str(SOURCES / f"{unit}.cpp"), "-o", str(folder / f"{unit}.o")],
            children.ask,
        )

    # The inner context first: what still compiles is killed before its thread is waited for.
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool, Children() as children:
        headers = pool.submit(_run, [compiler, "-E", *includes, str(wheel.cuda_header)], children.ask)
        # The longest first, so that no core has one left when the others are done.
        by_size = sorted(units, key=lambda unit: -(SOURCES / f"{unit}.cpp").stat().st_size)
        list(pool.map(compile_unit, by_size))
        cuda_h = headers.result()
        link = [compiler, "-shared", "-pthread", "-Wl,-rpath,$ORIGIN", f"-L{folder}"]
        core = [str(folder / f"{unit}.o") for unit in CORE]
        soname, out = f"-Wl,-soname,{CORE_LIBRARY}", str(folder / CORE_LIBRARY)
        _run([*link, soname, *core, "-ldl", "-o", out], children.ask)
        # The runtime first: the others are linked to it.
        runtime = next(library for library in wheel.libraries if library.name == "cudart")
        _link(link, runtime, wheel, cuda_h, folder, [], children.ask)

        def link_library(library: Library) -> None:
            needs = [str(folder / runtime.soname)]
            _link(link, library, wheel, cuda_h, folder, needs, children.ask)

        list(pool.map(link_library, [each for each in wheel.libraries if each is not runtime]))
    for unit in folder.glob("*.o"):
        unit.unlink()
    # Under the name by which a linker looks for it.
    (folder / LINKED).mkdir()
    (folder / LINKED / "libcuda.so").symlink_to(Path("..") / "libcuda.so.1")


def _link(
    link: list[str],
    library: Library,
    wheel: Wheel,
    cuda_h: str,
    folder: Path,
    needs: list[str],
    asked: Ask,
) -> None:
    objects = [str(folder / f"{source}.o") for source in library.sources]
    own = {name for each in objects for name in defined_in_object(each, asked)}
    rest = [name for name in functions_of(library, wheel, cuda_h) if name not in own]
    refusals = folder / f"{library.name}-refused.c"
    refused = str(refusals.with_suffix(".o"))
    refusals.write_text(refusals_source(rest, library.name), encoding="utf-8")
    _run([link[0], "-x", "c", "-O0", "-w", "-fPIC", "-c", str(refusals), "-o", refused], asked)
    script = folder / f"{library.name}.map"
    script.write_text((library.soname if library.versioned else "") + " { global: *; };\n", encoding="utf-8")
    map_option = [f"-Wl,--version-script={script}"] if library.versioned else []
    # nvml must not pull the runtime in: a sampler uses no device.
    needs = [] if library.name == "nvidia-ml" else needs
    _run(
        [
            *link,
            f"-Wl,-soname,{library.soname}",
            *map_option,
            *objects,
            refused,
            *needs,
            "-lemulator",
            "-ldl",
            "-o",
            str(folder / library.soname),
        ],
        asked,
    )
    refusals.unlink()
    script.unlink()


def refusals_source(names: list[str], library: str) -> str:
    """C source in which every function answers its library's "not supported" and says so once."""
    status = NOT_SUPPORTED.get(library, 0)
    body = [
        "#include <stdio.h>",
        "static int refuse(const char* name, char* said) {",
        '    if (!*said) fprintf(stderr, "emulator: %s is not modelled\\n", name);',
        f"    *said = 1; return {status};",
        "}",
    ]
    body += [f'int {name}(void) {{ static char said; return refuse("{name}", &said); }}' for name in names]
    return "\n".join(body) + "\n"


def defined_in_object(path: str, asked: Ask = ask) -> list[str]:
    """Names of the functions that an object file defines."""
    out = _run(["nm", "--defined-only", "--extern-only", path], asked)
    return [line.split()[-1] for line in out.splitlines()]


def _run(command: list[str], asked: Ask = ask) -> str:
    done = asked(command)
    if done.returncode:
        said = (done.stderr or done.stdout).strip()
        raise EmulatorError(f"the emulated node cannot be compiled: {Path(command[0]).name}: {said[:2000]}")
    return done.stdout
