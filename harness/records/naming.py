"""How sessions and the files of their ranks are called.

In: what a session is. Out: names, and what a name says. Must not know what is in the files.
"""

from __future__ import annotations

import re

SHARD = "shard-"
NULL_ENDING = ".null"
_TRY, _RANK, _ENDING = "-try", "-rank", ".jsonl"


def shard_name(shard: tuple[int, int]) -> str:
    """Of part i of n, from 1."""
    return f"{SHARD}{shard[0]}of{shard[1]}"


def is_shard_name(name: str) -> bool:
    return re.fullmatch(rf"{SHARD}[0-9]+of[0-9]+", name) is not None


def null_key(key: str) -> str:
    """Under which the blocks of the null stand, a second build of the point with that key."""
    return key + NULL_ENDING


def session_kind(controller: str, devices: int) -> str:
    """What all tries at a session have in their names."""
    return f"{controller}-{devices}{_TRY}"


def session_id(controller: str, devices: int, number: int, shard: tuple[int, int] | None = None) -> str:
    """Name of try `number` at a session; every shard of a plan has names of its own."""
    part = f"{shard_name(shard)}-" if shard else ""
    return f"{part}{session_kind(controller, devices)}{number}"


def try_number(session: object) -> int:
    """Sessions of one kind are numbered as they are tried; 0 for what was known before any."""
    _, found, number = str(session or "").rpartition(_TRY)
    return int(number) if found and number.isdecimal() and len(number) < 10 else 0


def rank_file(session: str, rank: int) -> str:
    """The raw file of one rank."""
    return f"{rank_files(session)}{rank}{_ENDING}"


def rank_files(session: str) -> str:
    """What the names of all its ranks' files begin with."""
    return f"{session}{_RANK}"


def session_of(name: str) -> str:
    """What the name of a raw file says of which session it is."""
    return name.rpartition(_RANK)[0]


def rank_of(name: str) -> str:
    """The rank in the name of a raw file."""
    return name.rpartition(_RANK)[2].removesuffix(_ENDING)
