"""A library that an old wheel is linked to and few machines have, compiled for one environment.

In: the folder of packages of an environment that has been made, and the name of a stand-in. Out: the libraries in it,
beside those that need them; or CannotStandIn in one line. Must not know frameworks, environments or pip.

There is one: `mpi`, of one process. What its source (standins/mpi.c) does not answer is generated from the symbols that
the wheel's libraries ask for, and ends the process with its name.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ground.children import ask
from harness.core.files.places import PACKAGE

SOURCES = PACKAGE / "environments" / "standins"
_LONGEST_S = 120
# A thousand libraries are more than any environment has that needs a stand-in: the command line has an end.
_MOST_AT_ONCE = 500
_ELF = b"\x7fELF"


class CannotStandIn(Exception):
    """Why, in one line."""


@dataclass(frozen=True)
class StandIn:
    """soname: of the libraries that are stood in for. wanted: names of its functions and objects. Of those whose soname
    `empty` has, nothing is in: what they would have is in the others."""

    soname: re.Pattern[str]
    empty: re.Pattern[str]
    wanted: re.Pattern[str]
    missing: str


# By the names of document.STAND_INS.
_KINDS: Mapping[str, StandIn] = {
    "mpi": StandIn(
        soname=re.compile(r"libmpi(?:_cxx)?\.so\.\d{1,4}"),
        empty=re.compile(r"libmpi_cxx\..*"),
        wanted=re.compile(r"(?:P?MPI_|ompi_)[A-Za-z0-9_]+|_ZNK?3MPI[A-Za-z0-9_]+"),
        missing="harness_mpi_missing",
    )
}


@dataclass(frozen=True)
class _Library:
    """One that needs what is stood in for. folder: the first of its own search path that lies beside it."""

    path: Path
    needs: tuple[str, ...]
    folder: Path


def digest_of(name: str) -> str:
    """Of the source of a stand-in: another one makes another library."""
    return hashlib.sha256((SOURCES / f"{name}.c").read_bytes()).hexdigest()


def stand_in(name: str, packages: Path, temporary: Path, variables: Mapping[str, str]) -> list[Path]:
    """Compile the stand-in where it is needed. packages: site-packages. temporary: a folder for what lies between.
    variables: of the compiler's process. Answers the libraries that were made. Raises CannotStandIn."""
    kind = _KINDS[name]
    libraries = _libraries(kind, packages, variables)
    if not libraries:
        raise CannotStandIn(f"no library in {packages} needs a stand-in for {name}")
    sonames = sorted({soname for each in libraries for soname in each.needs})
    wanted = _wanted(kind, [each.path for each in libraries], variables)
    compiler = _compiler(variables)
    built = {
        soname: _compiled(name, kind, soname, wanted, compiler, temporary, variables) for soname in sonames
    }
    made = []
    for folder in sorted({each.folder for each in libraries}):
        for soname, path in built.items():
            shutil.copyfile(path, folder / soname)
            made.append(folder / soname)
    return made


def _compiler(variables: Mapping[str, str]) -> str:
    """Of C. Raises CannotStandIn where there is none."""
    search = variables.get("PATH", os.defpath)
    for name in (variables.get("CC", ""), "cc", "gcc", "clang"):
        if name and (found := shutil.which(name, path=search)):
            return found
    raise CannotStandIn("needs a C compiler (cc, gcc, clang, or CC=...), on Debian: apt-get install gcc")


def _libraries(kind: StandIn, packages: Path, variables: Mapping[str, str]) -> list[_Library]:
    paths = [path for path in sorted(packages.rglob("*.so*")) if _is_library(path)]
    found = []
    for first in range(0, len(paths), _MOST_AT_ONCE):
        part = paths[first : first + _MOST_AT_ONCE]
        # With one file alone its name is not said: it is asked for twice.
        said = _run(["readelf", "-dW", *map(str, part), str(part[0])], variables)
        found += [each for text in said.split("\nFile: ")[1:] if (each := _library(kind, text))]
    return list(dict.fromkeys(found))


def _library(kind: StandIn, said: str) -> _Library | None:
    """What `readelf -d` says of one, after "File: "."""
    path = Path(said.partition("\n")[0].strip())
    needs = [each for each in re.findall(r"\(NEEDED\).*\[(.*)\]", said) if kind.soname.fullmatch(each)]
    if not needs:
        return None
    searched = re.search(r"\((?:RUNPATH|RPATH)\).*\[(.*)\]", said)
    for entry in (searched[1] if searched else "").split(":"):
        head, _, rest = entry.partition("/")
        folder = (path.parent / rest).resolve()
        # Never outside: what lies there is not this environment's.
        if (
            head in ("$ORIGIN", "${ORIGIN}")
            and folder.is_dir()
            and folder.is_relative_to(path.parent.resolve())
        ):
            return _Library(path, tuple(needs), folder)
    raise CannotStandIn(f"{path.name} looks for {needs[0]} in no folder of its own")


def _is_library(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return not path.is_symlink() and file.read(4) == _ELF
    except OSError:
        return False


def _wanted(kind: StandIn, paths: Sequence[Path], variables: Mapping[str, str]) -> list[str]:
    names = map(str, paths)
    undefined: set[str] = set()
    defined: set[str] = set()
    for line in _run(["nm", "-D", *names], variables).splitlines():
        # "address kind name", or "kind name" of what it looks for elsewhere; a version may follow the name.
        parts = line.split()
        if len(parts) < 2:
            continue
        name = parts[-1].partition("@")[0]
        if kind.wanted.fullmatch(name):
            (undefined if parts[-2] in ("U", "w") else defined).add(name)
    return sorted(undefined - defined)


def _compiled(
    name: str,
    kind: StandIn,
    soname: str,
    wanted: Sequence[str],
    compiler: str,
    temporary: Path,
    variables: Mapping[str, str],
) -> Path:
    temporary.mkdir(parents=True, exist_ok=True)
    out = temporary / soname
    options = [compiler, "-O2", "-fPIC", "-w"]
    link = [compiler, "-shared", f"-Wl,-soname,{soname}", "-o", str(out)]
    rest = temporary / f"{soname}-rest.c"
    if kind.empty.fullmatch(soname):
        rest.write_text("", encoding="utf-8")
        _run([*link, *options[1:], "-x", "c", str(rest)], variables)
        return out
    core = temporary / f"{soname}.o"
    _run([*options, "-c", str(SOURCES / f"{name}.c"), "-o", str(core)], variables)
    said = _run(["nm", "--defined-only", "--extern-only", str(core)], variables)
    answered = {line.split()[-1] for line in said.splitlines() if line.strip()}
    rest.write_text(rest_of([each for each in wanted if each not in answered], kind), encoding="utf-8")
    _run([*link, *options[1:], str(core), str(rest)], variables)
    return out


def rest_of(names: Sequence[str], kind: StandIn) -> str:
    """C source of functions that say their own name and end the process."""
    head = f"extern void {kind.missing}(const char *);\n"
    return head + "".join(f'void {name}(void) {{ {kind.missing}("{name}"); }}\n' for name in names)


def _run(command: Sequence[str], variables: Mapping[str, str]) -> str:
    """What it prints. Raises CannotStandIn."""
    tool = Path(command[0]).name
    try:
        done = ask(command, variables={**variables, "LC_ALL": "C"}, timeout_s=_LONGEST_S)
    except OSError as error:
        raise CannotStandIn(
            f"needs {tool} ({error.strerror or error}), on Debian: apt-get install binutils gcc"
        ) from None
    except subprocess.TimeoutExpired:
        raise CannotStandIn(f"{tool} took longer than {_LONGEST_S} s") from None
    if done.returncode:
        said = [line.strip() for line in (done.stderr or done.stdout).splitlines() if line.strip()]
        raise CannotStandIn(f"{tool}: {(said or ['exit status ' + str(done.returncode)])[-1][:300]}")
    return done.stdout
