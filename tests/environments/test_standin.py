"""What stands in for a missing library answers for one process, or ends with the name of what it lacks."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from harness.environments.document import STAND_INS
from harness.environments.standin import _KINDS, CannotStandIn, rest_of, stand_in

# As a wheel has it: linked to an MPI that is not here, and looking for it beside itself.
_LIBRARY = """
extern char ompi_mpi_double, ompi_mpi_comm_world, ompi_mpi_op_sum;
int MPI_Initialized(int *), MPI_Init(int *, char ***), MPI_Comm_size(void *, int *), MPI_Comm_rank(void *, int *);
int MPI_Allreduce(const void *, void *, int, void *, void *, void *), MPI_Send(void), MPI_Win_fence(void);
int sum(double *in, double *out, int n) {
    return MPI_Allreduce(in, out, n, &ompi_mpi_double, &ompi_mpi_op_sum, &ompi_mpi_comm_world);
}
int size(void) { int n = -1; MPI_Comm_size(&ompi_mpi_comm_world, &n); return n; }
int rank(void) { int n = -1; MPI_Comm_rank(&ompi_mpi_comm_world, &n); return n; }
int begun(void) { int n = -1; MPI_Initialized(&n); return n; }
void begin(void) { MPI_Init(0, 0); }
int send(void) { return MPI_Send(); }
int fence(void) { return MPI_Win_fence(); }
"""


@pytest.fixture
def packages(tmp_path: Path) -> Path:
    """Those of an environment with one library that needs an MPI."""
    for tool in ("cc", "nm", "readelf"):
        if shutil.which(tool) is None:
            pytest.skip(f"no {tool} here")
    folder = tmp_path / "site-packages"
    (folder / "wheel" / "libs").mkdir(parents=True)
    source, empty = tmp_path / "wheel.c", tmp_path / "empty.c"
    source.write_text(_LIBRARY)
    empty.write_text("")
    for soname in ("libmpi.so.12", "libmpi_cxx.so.1"):
        compiled(str(empty), f"-Wl,-soname,{soname}", "-o", str(tmp_path / soname))
    needs = ["-Wl,--no-as-needed", str(tmp_path / "libmpi.so.12"), str(tmp_path / "libmpi_cxx.so.1")]
    path = "-Wl,--enable-new-dtags,-rpath,$ORIGIN/libs:/usr/local/mpi/lib"
    compiled(str(source), "-w", *needs, path, "-o", str(folder / "wheel" / "wheel.so"))
    return folder


def compiled(*words: str) -> None:
    subprocess.run(["cc", "-shared", "-fPIC", *words], check=True)


def asked(packages: Path, program: str) -> subprocess.CompletedProcess[str]:
    """In a process of its own, with the library loaded as `wheel`."""
    head = f"import ctypes\nwheel = ctypes.CDLL({str(packages / 'wheel' / 'wheel.so')!r})\n"
    return subprocess.run([sys.executable, "-c", head + program], capture_output=True, text=True)


def made(packages: Path) -> list[Path]:
    return stand_in("mpi", packages, packages.parent / "tmp", dict(os.environ))


def test_it_lies_where_the_library_looks_for_it_and_answers_for_one_process(packages: Path) -> None:
    assert asked(packages, "").returncode != 0
    libs = packages / "wheel" / "libs"
    assert made(packages) == [libs / "libmpi.so.12", libs / "libmpi_cxx.so.1"]
    said = asked(
        packages,
        "print(wheel.size(), wheel.rank(), wheel.begun())\n"
        "wheel.begin()\n"
        "given, found = (ctypes.c_double * 3)(1, 2, 3), (ctypes.c_double * 3)()\n"
        "print(wheel.begun(), wheel.sum(given, found, 3), list(found))\n",
    )
    assert said.stdout.splitlines() == ["1 0 0", "1 0 [1.0, 2.0, 3.0]"], said.stderr


@pytest.mark.parametrize(("call", "name"), [("send", "MPI_Send"), ("fence", "MPI_Win_fence")])
def test_what_nobody_has_written_ends_the_process_with_its_name(packages: Path, call: str, name: str) -> None:
    made(packages)
    said = asked(packages, f"wheel.{call}()")
    assert said.returncode == -6
    assert f"has no {name}" in said.stderr


def test_where_nothing_needs_it_none_is_made(tmp_path: Path) -> None:
    with pytest.raises(CannotStandIn, match="needs a stand-in for mpi"):
        stand_in("mpi", tmp_path, tmp_path / "tmp", dict(os.environ))


def test_a_library_that_looks_elsewhere_only_is_refused(packages: Path, tmp_path: Path) -> None:
    """Nothing is put outside of the environment, whatever a wheel's search path says."""
    library = packages / "wheel" / "wheel.so"
    needs = ["-Wl,--no-as-needed", str(tmp_path / "libmpi.so.12")]
    (tmp_path / "outside").mkdir()
    compiled(str(tmp_path / "wheel.c"), "-w", *needs, "-Wl,-rpath,$ORIGIN/../../outside", "-o", str(library))
    with pytest.raises(CannotStandIn, match=r"looks for libmpi\.so\.12 in no folder of its own"):
        made(packages)
    assert not list((tmp_path / "outside").iterdir())


@pytest.mark.parametrize("tools", [(), ("nm", "readelf")])
def test_without_a_compiler_or_its_tools_it_is_said_which(
    packages: Path, tmp_path: Path, tools: tuple[str, ...]
) -> None:
    folder = tmp_path / "bin"
    folder.mkdir()
    for tool in tools:
        (folder / tool).symlink_to(str(shutil.which(tool)))
    with pytest.raises(CannotStandIn) as caught:
        stand_in("mpi", packages, tmp_path / "tmp", {"PATH": str(folder)})
    assert ("C compiler" if tools else "needs readelf") in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not list((packages / "wheel" / "libs").iterdir())


def test_only_names_of_c_are_written_into_its_source() -> None:
    kind = _KINDS["mpi"]
    for name in ("MPI_Send", "ompi_mpi_char", "_ZN3MPI4CommC2Ev", "_ZNK3MPI4Comm5CloneEv"):
        assert kind.wanted.fullmatch(name)
    for name in ('MPI_");system("x', "MPI_a b", "MPI_ä", "main", "MPI_\n"):
        assert not kind.wanted.fullmatch(name)
    functions = re.findall(r"void (\w+)\(void\)", rest_of(["MPI_Send", "MPI_Recv"], kind))
    assert functions == ["MPI_Send", "MPI_Recv"]


def test_each_that_a_description_may_name_can_be_made() -> None:
    assert set(STAND_INS) == set(_KINDS)
