"""What runs on the emulated node in the tests: Python programs, one without PyTorch, ranks."""

from __future__ import annotations

import atexit
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from node import compiler, run

from emulator.build import build

SOURCE = Path(__file__).with_name("program.cpp")

# Of the profile of round numbers: its clock, so that a hold can be given in milliseconds.
PREAMBLE = """
import json, os, sys, time, warnings
warnings.simplefilter("ignore")
import torch
found = {}
def hold(ms): torch.cuda._sleep(round(ms * 1_000_000))
def event(): return torch.cuda.Event(enable_timing=True)
def device_us(work):
    # Behind a held stream, so that no gap of the host lies between the events.
    start, end = event(), event()
    hold(50); start.record(); work(); end.record(); end.synchronize()
    return start.elapsed_time(end) * 1e3
def attempt(work):
    # The error that a piece of work ends with, "" if it does not.
    try:
        work(); torch.cuda.synchronize()
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return ""
"""
ENDING = "\nprint(json.dumps(found), flush=True)\n"


def facts(code: str, environment: Mapping[str, str], *arguments: str) -> dict[str, Any]:
    """What a PyTorch program puts into `found`."""
    printed = run(PREAMBLE + code + ENDING, environment, *arguments)
    values: dict[str, Any] = json.loads(printed.splitlines()[-1])
    return values


def facts_of_ranks(
    code: str, environments: list[dict[str, str]], folder: Path, timeout: float = 600
) -> list[dict[str, Any]]:
    """The same for as many ranks as there are environments, in processes of their own on devices of their own.

    None is left running, whatever happens.
    """
    joined = f"""
import torch.distributed as dist
rank, world = int(sys.argv[1]), {len(environments)}
torch.cuda.set_device(rank)
dist.init_process_group("nccl", init_method="file://{folder}/store", rank=rank, world_size=world,
                        device_id=torch.device("cuda", rank))
def together():
    dist.barrier(); torch.cuda.synchronize()
"""
    ended = "\ndist.destroy_process_group()\n"
    with started(
        [
            [sys.executable, "-c", PREAMBLE + joined + code + ended + ENDING, str(rank)]
            for rank in range(len(environments))
        ],
        environments,
    ) as processes:
        values = []
        for process in processes:
            printed, errors = process.communicate(timeout=timeout)
            assert process.returncode == 0, printed + errors
            values.append(json.loads(printed.splitlines()[-1]))
    return values


@contextmanager
def started(
    commands: list[list[str]], environments: list[dict[str, str]]
) -> Iterator[list[subprocess.Popen[str]]]:
    """Processes beside each other; those that still run in the end are killed."""
    processes: list[subprocess.Popen[str]] = []
    try:
        for command, environment in zip(commands, environments, strict=True):
            processes.append(
                subprocess.Popen(
                    command,
                    env=environment,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    text=True,
                )
            )
        yield processes
    finally:
        for process in processes:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout, process.stderr):
                if pipe is not None:
                    pipe.close()


@cache
def program() -> str:
    """program.cpp, compiled against the stand-in of the runtime."""
    libraries = build(quiet=True)
    folder = Path(tempfile.mkdtemp(prefix="emulated-program-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    made = folder / "program"
    runtime = next(libraries.glob("libcudart.so.*"))
    subprocess.run(
        [compiler(), "-O1", str(SOURCE), str(runtime), f"-Wl,-rpath-link,{libraries}", "-o", str(made)],
        check=True,
    )
    return str(made)


def numbers(environment: Mapping[str, str], *arguments: object) -> list[float]:
    """What program.cpp prints."""
    done = subprocess.run(
        [program(), *map(str, arguments)], env=dict(environment), capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return [float(line) for line in done.stdout.split()]
