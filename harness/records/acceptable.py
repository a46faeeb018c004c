"""What may become, or is, a sweep's run directory, and what is refused because it is somebody else's.

In: a path and a Config. Out: nothing, or ConfigError; changes nothing. Must not know how a run is opened.
"""

from __future__ import annotations

import os
from pathlib import Path

import yaml

from harness.core.errors import ConfigError
from harness.core.files import beneath
from harness.core.files.made import LIST, Made
from harness.plan.config import Config, measured_config
from harness.records.files import CONFIG_FILE, describe_os_error, read_config
from harness.records.naming import SHARD, is_shard_name
from harness.records.ownership import Ownership, owner_number
from harness.records.raw import RAW


def check_path(path: Path, config: Config, key: str = "out", ownership: Ownership | None = None) -> None:
    """Refuse a path that cannot become, or is not, this sweep's run directory; changes nothing.

    ownership: how it is held for more than this process, as in open_run.
    """
    try:
        os.fsencode(path.absolute()).decode("utf-8")
    except UnicodeDecodeError:
        raise ConfigError(key, path, "a folder whose path is UTF-8: torch opens files of no other") from None
    try:
        _check_path(path, config, key, ownership)
    except OSError as error:  # a name that is too long, a folder that may not be searched
        raise ConfigError(key, path, f"a folder that can be written; {told_of(error)}") from None


def _check_path(path: Path, config: Config, key: str, ownership: Ownership | None) -> None:
    _refuse_within_a_run(path, key)
    if path.exists() and not path.is_dir():
        raise ConfigError(key, path, "a folder, new or of the same sweep; this is a file")
    if not path.exists():
        parent = next(p for p in (path.absolute().parents) if p.exists())
        if not parent.is_dir():
            raise ConfigError(key, path, f"a folder; {parent} is a file")
        if not os.access(parent, os.W_OK | os.X_OK):
            raise ConfigError(key, path, f"a folder that can be made; {parent} is read-only")
        return
    if not os.access(path, os.R_OK | os.W_OK | os.X_OK):
        raise ConfigError(key, path, "a folder that can be written; this one is read-only")
    if ownership is not None:
        ownership.check(path, key)
    if beneath.exists(path, CONFIG_FILE):
        there = read_config(path, key)
        ours = yaml.safe_load(yaml.safe_dump(measured_config(config)))
        # A key that came later stands for what was done before there was one.
        before = {**measured_config(Config()), **there}
        changed = [name for name in sorted({*before, *ours}) if before.get(name) != ours.get(name)]
        if changed:
            told = ", ".join(f"{n}={before.get(n)!r} there, {ours.get(n)!r} here" for n in changed[:3])
            more = f" and {len(changed) - 3} more" if len(changed) > 3 else ""
            raise ConfigError(
                key,
                path,
                f"a new folder, or one of the same sweep; it holds another sweep's config ({told}{more})",
            )
    elif leftovers := _of_others(path, key):
        raise ConfigError(
            key,
            path,
            f"a new or empty folder, or a run directory; it holds other files ({sorted(leftovers)[0]})",
        )


def _refuse_within_a_run(path: Path, key: str) -> None:
    """A run in another one's folder would be taken for part of it, and removed with it. Shards of one sweep stand in
    the folder that they are merged into."""
    place = path.resolve()
    for parent in place.parents:
        own_shard = parent == place.parent and is_shard_name(place.name)
        if (parent / CONFIG_FILE).is_file() and (parent / RAW).is_dir() and not own_shard:
            raise ConfigError(key, path, f"a folder that lies in no other run; {parent} is one")


def told_of(error: OSError) -> str:
    """As describe_os_error, with the name of what below the folder it is about."""
    where = f"{error.filename}: " if isinstance(error, beneath.NotPlain) else ""
    return where + describe_os_error(error)


def _of_others(path: Path, key: str) -> list[str]:
    """What lies in a folder without a config and was not left by a start that was ended before it wrote one."""
    made = Made(path, key)
    return [each.name for each in path.iterdir() if not _left_by_a_start(each, made)]


def _left_by_a_start(path: Path, made: Made) -> bool:
    if path.is_dir() and not path.is_symlink() and path.name.startswith(SHARD):
        return True  # merged runs stand beside what they are merged from
    if path.name == LIST:
        return True
    if path.name == RAW:
        return "raw/" in made and path.is_dir() and not any(path.iterdir())
    being_written = path.name.startswith(".") and path.name.endswith(beneath.PARTIAL)
    return path.name in made or (made.is_listed and (being_written or owner_number(path.name) > 0))
