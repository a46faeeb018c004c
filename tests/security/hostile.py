"""What an attacker lays out, and what a victim has to lose."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml
from raw_runs import RawRun, cell_of

from harness.plan.config import Config, measured_config

# A sweep of some seconds.
SWEEP = (
    "device=cpu",
    "timing=quick",
    "depth=[2]",
    "width=[8]",
    "batch=[1]",
    "mode=[eager,script]",
    "devices=[1]",
)

PRECIOUS = "the victim's only copy\n"


def small_run(directory: Path, **config: Any) -> Path:
    """A finished run of one cell, as a sweep leaves it but for its report."""
    raw = RawRun(directory)
    cell = cell_of()
    raw.plan(cell)
    raw.session("processes-1-try1", [cell])
    settings = Config(name="small", depth=[2], width=[8], batch=[10], mode=["eager", "script"], **config)
    (directory / "config.yaml").write_text(yaml.safe_dump(measured_config(settings), sort_keys=False))
    (directory / "environment.json").write_text('{"host": "elsewhere"}')
    return directory


def precious(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(PRECIOUS, encoding="utf-8")
    return path


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a folder by its path, links as links."""
    return {
        str(path.relative_to(folder)): os.fsencode(path.readlink())
        if path.is_symlink()
        else path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_symlink() or path.is_file()
    }


# An ordinary user, who needs no account for that.
OTHER = 12_345


def as_other_user(action: Callable[[], str]) -> str:
    """What an action answers when another user does it, whose umask lets a group write. Only root can ask for it."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.setgroups([])
            os.setgid(OTHER)
            os.setuid(OTHER)
            os.umask(0o002)
            said = action()
        except BaseException as error:
            said = repr(error)
        os.write(writing, said.encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as answer:
        said = answer.read().decode()
    os.waitpid(child, 0)
    return said


# What may lie in a place where a file of ours is expected, by a name for the test.
LAID: dict[str, Callable[[Path, Path], None]] = {
    "a link": lambda place, victim: place.symlink_to(victim),
    "a link to nowhere": lambda place, victim: place.symlink_to(victim.with_name("not there yet")),
    "a hard link": lambda place, victim: os.link(victim, place),
    "a FIFO": lambda place, victim: os.mkfifo(place),
    "an endless device": lambda place, victim: place.symlink_to("/dev/zero"),
}
