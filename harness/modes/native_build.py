"""Compile native/ with g++ against the installed torch, once for each version of either.

In: native/ and the wheel. Out: a folder with the library of the `native` mode, that of the empty
kernels and the program `harness-native`. Must not import torch, nor know models or modes.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from subprocess import CompletedProcess

from ground.builds import ForeignBuild, cache_folder, is_complete, keep_build
from ground.children import Children, ask
from harness.core.errors import HarnessError, tell
from harness.core.files.places import CHECKOUT, part

Ask = Callable[[list[str]], "CompletedProcess[str]"]

LIBRARY, PROGRAM, EMPTY_KERNELS = "libharness_native.so", "harness-native", "libharness_empty.so"
SHARED = ("loop", "script")
UNITS = {
    LIBRARY: (*SHARED, "library"),
    PROGRAM: (*SHARED, "package", "device", "reference", "timing", "program"),
    EMPTY_KERNELS: ("empty_kernels",),
}
FLAGS = ("-std=c++20", "-O2", "-fPIC", "-Wall", "-Wextra", "-Wno-unused-parameter")


@dataclass(frozen=True)
class Wheel:
    """The installed torch. new_strings: whether it was built with the C++11 string of libstdc++."""

    folder: Path
    version: str
    new_strings: bool

    @property
    def includes(self) -> tuple[Path, ...]:
        include = self.folder / "include"
        return include, include / "torch" / "csrc" / "api" / "include"

    @property
    def libraries(self) -> Path:
        return self.folder / "lib"


def problem() -> str | None:
    """Why native/ cannot be compiled here, in one line, or None. Neither imports torch nor compiles."""
    if sys.platform != "linux":
        return f"runs on Linux only, not on {sys.platform}"
    try:
        if _is_there(_folder(find_wheel())):
            return None
        find_compiler()
    except HarnessError as error:
        return str(error)
    return None


def build(*, quiet: bool = False) -> Path:
    """The folder with libraries and program for the installed torch, built if they are not there yet.

    Raises HarnessError with the reason where this is not possible.
    """
    if sys.platform != "linux":
        raise HarnessError(f"native/ runs on Linux only, not on {sys.platform}")
    wheel = find_wheel()
    folder = _folder(wheel)
    if _is_there(folder):
        return folder
    compiler = find_compiler()

    def say() -> None:
        if not quiet:
            print(f"building native/ for torch {wheel.version} in {folder}", file=sys.stderr, flush=True)

    try:
        keep_build(folder, lambda made: _compile_all(compiler, wheel, made), say)
    except ForeignBuild as error:
        raise HarnessError(str(error)) from None
    return folder


def _is_there(folder: Path) -> bool:
    try:
        return is_complete(folder)
    except ForeignBuild as error:
        raise HarnessError(str(error)) from None


def program() -> Path:
    """The runner under a name that stays the same, built if need be: a link beside the folders of versions."""
    built = build() / PROGRAM
    link = program_link()
    with tempfile.TemporaryDirectory(dir=link.parent, prefix="native-link-") as temporary:
        fresh = Path(temporary) / PROGRAM
        fresh.symlink_to(built)
        fresh.replace(link)
    return link


def program_link() -> Path:
    """Where `make native` puts the runner."""
    return cache_folder(CHECKOUT) / PROGRAM


def find_compiler() -> str:
    """The C++ compiler to use. Raises HarnessError where there is none."""
    if (named := os.environ.get("CXX")) and not shutil.which(named):
        raise HarnessError(f"CXX={named}: there is no such command; unset CXX, or name a C++ compiler")
    compiler = named or shutil.which("g++") or shutil.which("c++")
    if not compiler:
        raise HarnessError("needs a C++ compiler (g++): apt-get install g++")
    return compiler


def find_wheel() -> Wheel:
    """The installed torch, looked up without importing it. Raises HarnessError where it is not as needed."""
    found = importlib.util.find_spec("torch")
    if found is None or found.origin is None:
        raise HarnessError("torch is not installed in this environment: pip install -r requirements.txt")
    folder = Path(found.origin).resolve().parent
    try:
        version = re.search(
            r"^__version__\s*=\s*['\"](.+?)['\"]", (folder / "version.py").read_text(encoding="utf-8"), re.M
        )
        # What Error's constructor takes tells which string torch was built with (up to 2.6 wheels differ).
        new_strings = (
            b"_ZN3c105ErrorC1ENS_14SourceLocationENSt7__cxx1112basic_string"
            in (folder / "lib" / "libc10.so").read_bytes()
        )
    except OSError as error:
        raise HarnessError(f"torch is laid out in another way here: {error}") from error
    wheel = Wheel(folder, version[1] if version else "?", new_strings)
    if not (wheel.includes[0] / "torch" / "csrc" / "jit" / "api" / "module.h").exists():
        raise HarnessError(f"this build of torch {wheel.version} came without its C++ headers")
    return wheel


def _sources() -> Path:
    """native/ of the checkout, or its copy inside the package where that is installed."""
    return part("cpp", "native")


def _folder(wheel: Wheel) -> Path:
    """Named after all that a build depends on; the compiler's version is not among it."""
    digest = hashlib.sha256(f"{wheel.version} {wheel.folder} {wheel.new_strings} {FLAGS}".encode())
    for path in sorted([*_sources().glob("*.cpp"), *_sources().glob("*.h"), Path(__file__)]):
        digest.update(path.name.encode() + path.read_bytes())
    return cache_folder(CHECKOUT) / f"native-{digest.hexdigest()[:12]}"


def _compile_all(compiler: str, wheel: Wheel, folder: Path) -> None:
    flags = [*FLAGS, f"-D_GLIBCXX_USE_CXX11_ABI={int(wheel.new_strings)}"]
    # -isystem: warnings of torch's own headers are not ours to mend.
    includes = [word for path in wheel.includes for word in ("-isystem", str(path))]

    def compile_unit(unit: str) -> None:
        source = _sources() / f"{unit}.cpp"
        _run([compiler, *flags, *includes, "-c", str(source), "-o", str(folder / f"{unit}.o")], children.ask)

    # The inner context first: what still compiles is killed before its thread is waited for.
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool, Children() as children:
        list(pool.map(compile_unit, sorted({unit for units in UNITS.values() for unit in units})))
    # Without torch's CUDA part: in Python it is there already, and the program loads it when it is wanted.
    links = [f"-L{wheel.libraries}", f"-Wl,-rpath,{wheel.libraries}", "-ltorch_cpu", "-lc10", "-ldl"]
    # What those libraries need themselves, they find by paths of their own.
    links += ["-Wl,--allow-shlib-undefined", "-pthread"]
    for name, units in UNITS.items():
        shared = [] if name == PROGRAM else ["-shared"]
        objects = [str(folder / f"{unit}.o") for unit in units]
        _run([compiler, *shared, *objects, *links, "-o", str(folder / name)])
    for made in folder.glob("*.o"):
        made.unlink()


def _run(command: list[str], asked: Ask = ask) -> None:
    done = asked(command)
    if done.returncode:
        said = " ".join((done.stderr or done.stdout).split())
        raise HarnessError(f"native/ cannot be compiled: {Path(command[0]).name}: {said[:2000]}")


def main() -> int:
    """Build, and print the runner's path. Answers the exit status."""
    try:
        print(program())
    except HarnessError as error:
        tell(error)
        return error.exit_status
    return 0


if __name__ == "__main__":
    sys.exit(main())
