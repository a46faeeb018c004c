"""The files that the processes of an emulated node share: emulator/src/own_file.h, compiled and asked."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from hostile import LAID, OTHER, PRECIOUS, precious
from running import TESTS

PROGRAM = """
#include <cstdio>
#include <cstring>
#include "own_file.h"
int main(int, char** arguments) {
    const int file = open_own(arguments[1], O_RDWR);
    std::puts(file < 0 ? std::strerror(errno) : "opened");
}
"""


@pytest.fixture(scope="module")
def opener(tmp_path_factory: pytest.TempPathFactory) -> Path:
    compiler = shutil.which("g++")
    if compiler is None:
        if os.environ.get("CI") == "true":
            pytest.fail("CI needs g++")
        pytest.skip("needs g++")
    folder = tmp_path_factory.mktemp("opener")
    (folder / "opener.cpp").write_text(PROGRAM)
    source = TESTS.parent / "emulator" / "src"
    command = [compiler, "-std=c++17", "-Wall", "-Werror", f"-I{source}", "opener.cpp", "-o", "opener"]
    subprocess.run(command, cwd=folder, check=True)
    return folder / "opener"


def opened(opener: Path, path: Path) -> str:
    return subprocess.run([str(opener), str(path)], capture_output=True, text=True, timeout=10).stdout.strip()


def test_a_file_of_ones_own_is_made_and_opened_again(opener: Path, tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        assert opened(opener, tmp_path / "node") == "opened"
    finally:
        os.umask(before)
    assert (tmp_path / "node").stat().st_mode & 0o777 == 0o600
    assert opened(opener, tmp_path / "node") == "opened"


@pytest.mark.parametrize("what", LAID)
def test_no_file_of_another_user_and_no_link_is_taken_for_a_nodes_own(
    opener: Path, tmp_path: Path, what: str
) -> None:
    victim = precious(tmp_path / "victim")
    LAID[what](tmp_path / "node", victim)
    assert opened(opener, tmp_path / "node") != "opened"
    assert victim.read_text() == PRECIOUS
    assert not (tmp_path / "not there yet").exists()


def test_no_file_that_others_may_write_to_is_taken(opener: Path, tmp_path: Path) -> None:
    (tmp_path / "node").touch()
    (tmp_path / "node").chmod(0o666)
    assert opened(opener, tmp_path / "node") == "Operation not permitted"
    if os.geteuid() == 0:
        (tmp_path / "node").chmod(0o600)
        os.chown(tmp_path / "node", OTHER, OTHER)
        assert opened(opener, tmp_path / "node") == "Operation not permitted"


def test_the_emulator_opens_files_to_write_to_in_no_other_way() -> None:
    sources = sorted((TESTS.parent / "emulator" / "src").glob("*"))
    opening = re.compile(r"\b(?:f?open|openat|creat|shm_open)\(|\bstd::(?:o|basic_)?fstream\b")
    found = {path.name for path in sources if opening.search(path.read_text())}
    assert found == {"own_file.h"}
    using = {path.name for path in sources if "open_own(" in path.read_text()} - {"own_file.h"}
    assert using == {"node.cpp", "nccl_rounds.cpp", "trace.cpp"}
