"""Programs that call NCCL's functions themselves, one a rank."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from bare import BARE, Program

NCCL = (
    BARE
    + """
class Id(ctypes.Structure):
    _fields_ = [("internal", ctypes.c_char * 128)]

INT64, SUM, AVERAGE = 4, 0, 4

def join(name, ranks, rank, device=None):
    library.cudaSetDevice(rank if device is None else device)
    made = ctypes.c_void_p()
    assert library.ncclCommInitRank(ctypes.byref(made), ranks, Id(name.encode()), rank) == 0
    return made

def split(of, color, key):
    made = ctypes.c_void_p()
    assert library.ncclCommSplit(of, color, key, ctypes.byref(made), None) == 0
    return made

def stream():
    made = ctypes.c_void_p()
    assert library.cudaStreamCreateWithFlags(ctypes.byref(made), 1) == 0  # cudaStreamNonBlocking
    return made

def number(value):
    at = allocate(1)[1]
    host = ctypes.c_int64(value)
    assert library.cudaMemcpy(at, ctypes.byref(host), ctypes.c_size_t(8), 1) == 0
    return at

def value(at):
    host = ctypes.c_int64()
    assert library.cudaMemcpy(ctypes.byref(host), at, ctypes.c_size_t(8), 2) == 0
    return host.value

def reduce(at, of, on=None, operation=SUM, count=1):
    return library.ncclAllReduce(at, at, ctypes.c_size_t(count), INT64, operation, of, on)

def done(on=None):
    return library.cudaStreamSynchronize(on)

rank = int(sys.argv[1]) if len(sys.argv) > 1 else 0
ranks = int(sys.argv[2]) if len(sys.argv) > 2 else 1
"""
)


def said_by_ranks(code: str, environment: dict[str, str], ranks: int = 2) -> list[Any]:
    """What each of the ranks of a program says in the end."""
    started = [Program(NCCL + code, environment, str(rank), str(ranks)) for rank in range(ranks)]
    try:
        return [json.loads(program.end().splitlines()[-1]) for program in started]
    finally:
        for program in started:
            program.process.kill()


def left_behind(folder: Path) -> list[Path]:
    """Files of communicators in the node's folder."""
    return list(folder.glob("*.nccl-*"))
