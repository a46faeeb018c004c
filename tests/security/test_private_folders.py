"""Temporary files lie where no other user can have laid something out, and nothing of them stays after a kill."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hostile import OTHER, PRECIOUS, as_other_user, precious
from running import python_path

from ground import builds, private
from ground.private import NoPrivateFolder, is_safe, private_folder, private_temporary_folder

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root to make files of another user")


@pytest.fixture
def base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def holder(base: Path) -> subprocess.Popen[str]:
    """A process that has a private folder, and says which."""
    code = (
        "import sys, time; from pathlib import Path; from ground.private import private_folder\n"
        "with private_folder('test', [Path(sys.argv[1])]) as folder:\n"
        "    (folder / 'x').touch(); print(folder, flush=True); time.sleep(600)"
    )
    return subprocess.Popen(
        [sys.executable, "-c", code, str(base)],
        env={**os.environ, "PYTHONPATH": python_path()},
        stdout=subprocess.PIPE,
        text=True,
    )


def test_a_folder_is_new_this_users_alone_and_gone_in_the_end(base: Path) -> None:
    before = os.umask(0)
    try:
        with private_folder("test") as first, private_folder("test") as second:
            assert first.parent == base
            assert first != second
            assert first.stat().st_mode & 0o777 == 0o700
    finally:
        os.umask(before)
    assert not list(base.iterdir())


def test_what_a_killed_process_leaves_is_removed_by_the_next_and_a_living_ones_is_not(base: Path) -> None:
    dead, alive = holder(base), holder(base)
    assert dead.stdout is not None and alive.stdout is not None
    left, kept = Path(dead.stdout.readline().strip()), Path(alive.stdout.readline().strip())
    dead.send_signal(signal.SIGKILL)
    dead.wait()
    assert left.exists()
    with private_folder("another"):
        assert not left.exists()
        assert (kept / "x").exists()
    alive.kill()
    alive.wait()


def test_what_another_machine_has_made_in_a_shared_folder_stays(base: Path) -> None:
    """Its lock is not seen here, where the file system keeps locks to each machine."""
    with private_folder("test", [base]) as folder:
        lock = folder / private.LOCK
        text = lock.read_bytes()
    left = base / folder.name
    left.mkdir(mode=0o700)
    (left / private.LOCK).write_bytes(text.replace(text.splitlines()[1], b"another start"))
    with private_folder("test", [base]):
        assert left.exists()
    (left / private.LOCK).write_bytes(text)
    with private_folder("test", [base]):
        assert not left.exists()


def test_nobody_elses_folder_is_removed_whatever_it_is_called(base: Path) -> None:
    uid = os.geteuid()
    names = [
        "harness-results",
        f"harness-test-{uid}-abcdefgh",
        f"harness-test-{uid}-abcdefgi",
        "harness-1-2-abcdefgh",
    ]
    for name in names:
        precious(base / name / "thesis.tex")
        (base / name).chmod(0o700)
    (base / names[2]).chmod(0o755)
    (base / names[1] / private.LOCK).touch()
    (base / names[2] / private.LOCK).touch()
    (base / f"harness-test-{uid}-abcdefgj").symlink_to(base / names[0])
    with private_folder("test"):
        pass
    for name in names:
        assert (base / name / "thesis.tex").read_text() == PRECIOUS


def test_an_empty_folder_that_is_only_called_like_ours_stays(base: Path) -> None:
    empty = base / "harness-runs-1-20261125"
    empty.mkdir(mode=0o700)
    (base / f"harness-runs-{os.geteuid()}-20261125").mkdir(mode=0o700)
    os.utime(empty, (0, 0))
    with private_folder("test"):
        pass
    assert len(list(base.iterdir())) == 2


def test_a_folder_that_another_takes_for_left_behind_is_not_handed_out(
    base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, refused = private.fcntl.flock, []

    def flock(descriptor: int, how: int) -> None:
        # Not one of a folder of another test's, in /dev/shm.
        if not refused and Path(f"/proc/self/fd/{descriptor}").readlink().is_relative_to(base):
            refused.append(descriptor)
            raise BlockingIOError
        real(descriptor, how)

    monkeypatch.setattr(private.fcntl, "flock", flock)
    before = set(base.iterdir())
    with private_folder("test") as folder:
        (first,) = set(base.iterdir()) - before - {folder}
        assert folder != first


def test_a_folder_that_others_may_rename_in_is_not_taken(base: Path) -> None:
    shared = base / "shared"
    shared.mkdir()
    shared.chmod(0o777)
    (shared / "mine").mkdir()
    assert not is_safe(shared)
    assert not is_safe(shared / "mine"), "who may rename the one can lay out another"
    shared.chmod(0o1777)
    assert is_safe(shared)
    shared.chmod(0o777)
    with pytest.raises(NoPrivateFolder, match="TMPDIR"), private_folder("test", [shared]):
        pass
    with private_folder("test", [shared, base]) as folder:
        assert folder.parent == base


def test_all_temporary_files_of_a_process_can_lie_there(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TMPDIR", raising=False)
    with private_temporary_folder("test") as folder:
        assert Path(tempfile.mkdtemp()).parent == folder
        assert os.environ["TMPDIR"] == str(folder)
    assert tempfile.gettempdir() == str(base)
    assert "TMPDIR" not in os.environ


@needs_root
@pytest.mark.parametrize("where", ["/tmp", "/dev/shm"])
def test_names_that_another_user_has_taken_are_walked_past(where: str, tmp_path: Path, harness: Any) -> None:
    """As the emulated node's folder once was called, and its file for those who name none."""
    if not Path(where).is_dir():
        pytest.skip(f"there is no {where} here")
    victim = precious(tmp_path / "victim")
    taken = [Path(where) / f"harness-{purpose}-0-abcdefgh" for purpose in ("emulated", "session", "ranks")]
    try:
        for folder in taken:
            folder.mkdir()
            for name in ("profile", "profile.partial", "node", "socket", private.LOCK):
                (folder / name).symlink_to(victim)
            os.chown(folder, OTHER, OTHER)
        with private_folder("emulated", [Path(where)]) as folder:
            assert folder not in taken
        assert victim.read_text() == PRECIOUS
        assert all(folder.exists() for folder in taken), "they are not ours to remove"
    finally:
        for folder in taken:
            for path in folder.iterdir():
                path.unlink()
            folder.rmdir()


@needs_root
def test_an_ordinary_user_has_a_private_folder_with_the_umask_of_a_group(tmp_path: Path) -> None:
    def make() -> str:
        with private_folder("test", [Path("/tmp")]) as folder:
            return f"{folder.stat().st_mode & 0o777:o} {folder.stat().st_uid}"

    assert as_other_user(make) == f"700 {OTHER}"


class TestBuilds:
    """What is compiled and then loaded into a process, or run."""

    def make(self, folder: Path) -> None:
        builds.keep_build(folder, lambda made: (made / "library.so").touch(), lambda: None)

    def test_a_build_is_written_by_nobody_else_whatever_the_umask_is(self, tmp_path: Path) -> None:
        before = os.umask(0)
        try:
            self.make(tmp_path / "cache" / "build-1")
        finally:
            os.umask(before)
        assert (tmp_path / "cache" / "build-1").stat().st_mode & 0o077 == 0
        assert not (tmp_path / "cache").stat().st_mode & 0o022
        assert builds.is_complete(tmp_path / "cache" / "build-1")

    @needs_root
    def test_a_build_of_another_user_is_not_loaded(self, tmp_path: Path) -> None:
        """Its name can be computed, so whoever can write to the cache could have it there first."""
        self.make(tmp_path / "build-1")
        os.chown(tmp_path / "build-1", OTHER, OTHER)
        with pytest.raises(builds.ForeignBuild, match="remove it"):
            builds.is_complete(tmp_path / "build-1")

    def test_a_build_that_others_may_change_is_not_loaded(self, tmp_path: Path) -> None:
        self.make(tmp_path / "build-1")
        (tmp_path / "build-1").chmod(0o777)
        with pytest.raises(builds.ForeignBuild):
            builds.is_complete(tmp_path / "build-1")

    def test_a_link_in_its_place_is_not_followed(self, tmp_path: Path) -> None:
        self.make(tmp_path / "elsewhere")
        (tmp_path / "build-1").symlink_to(tmp_path / "elsewhere")
        with pytest.raises(builds.ForeignBuild):
            builds.is_complete(tmp_path / "build-1")

    @needs_root
    def test_a_cache_that_another_user_has_laid_out_is_not_used(self, tmp_path: Path) -> None:
        victim = precious(tmp_path / "victim")
        cache = tmp_path / "harness"
        cache.mkdir()
        (cache / "build-1.lock").symlink_to(victim)
        os.chown(cache, OTHER, OTHER)
        with pytest.raises(builds.ForeignBuild, match="XDG_CACHE_HOME"):
            self.make(cache / "build-1")
        os.chown(cache, 0, 0)
        with pytest.raises(OSError):
            self.make(cache / "build-1")
        assert victim.read_text() == PRECIOUS

    @needs_root
    def test_in_somebody_elses_checkout_nothing_is_built(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "mine"))
        (tmp_path / "checkout").mkdir()
        (tmp_path / "checkout" / "pyproject.toml").touch()
        assert builds.cache_folder(tmp_path / "checkout") == tmp_path / "checkout" / "build"
        os.chown(tmp_path / "checkout", OTHER, OTHER)
        assert builds.cache_folder(tmp_path / "checkout") == tmp_path / "mine" / "harness"


def test_what_a_rank_compiles_lies_in_the_sessions_folder_and_headers_in_the_users_cache(
    base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And not in /tmp/torchinductor_USER, which another user can have made first."""
    import torch._inductor.runtime.cache_dir_utils as of_torch

    from harness.modes.headers import keep_precompiled_headers

    monkeypatch.setenv("XDG_CACHE_HOME", str(base / "cache"))
    monkeypatch.setattr("harness.modes.headers.CHECKOUT", base)
    with private_temporary_folder("test") as folder:
        keep_precompiled_headers()
        headers = Path(of_torch.default_cache_dir()) / "precompiled_headers"
        assert folder in headers.parents
        assert headers.resolve() == base / "cache" / "harness" / "precompiled_headers"
    assert (base / "cache" / "harness" / "precompiled_headers").is_dir(), "kept for the next session"
    base.chmod(0o777)
    keep_precompiled_headers()
    assert not list(base.glob("torchinductor_*/precompiled_headers")), (
        "in a folder of everybody's nothing is laid out"
    )


@pytest.mark.long
@pytest.mark.parametrize("device", ["cpu", "emulated"])
def test_a_killed_sweep_leaves_nothing_that_the_next_start_does_not_remove(
    start: Any, harness: Any, tmp_path: Path, device: str
) -> None:
    from running import wait_until

    def ours() -> set[Path]:
        bases = (Path("/tmp"), Path("/dev/shm"), Path(tempfile.gettempdir()))
        return {path for each in bases for path in each.glob(f"harness-*-{os.geteuid()}-????????")}

    before = ours()
    slow = (
        "plugins=[faulty_modes]",
        "mode=[eager,slow]",
        "depth=[2]",
        "batch=[1]",
        "devices=[1]",
        "width=[8]",
    )
    process = start("sweep", *slow, f"device={device}", "out=run")
    wait_until(lambda: list((tmp_path / "run" / "raw").glob("*rank0.jsonl")), "a rank", seconds=120)
    assert ours() - before
    process.kill()
    process.wait()
    done = harness("sweep", "sweep=smoke", "dry_run=true", "device=emulated")
    assert done.returncode == 0, done.stderr
    assert not ours() - before
