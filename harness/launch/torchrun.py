"""The command line and the variables under which torchrun starts the ranks of a session.

In: how many ranks and threads, the session's folder. Out: command lines and environment variables. Starts nothing. Must
not know how a session is watched or ended.
"""

from __future__ import annotations

import shlex
from pathlib import Path

import psutil

from harness.core.processes.children import path_variables, python_module

# How often torchrun looks whether a rank has died. It sleeps in between.
TORCHRUN_LOOKS_EVERY_S = 0.25


def torchrun(python: str = "") -> list[str]:
    """How torchrun is called, with this very Python where no other is named."""
    return python_module("torch.distributed.run", python=python)


def rank_command(folder: Path, python: str = "") -> list[str]:
    """What torchrun starts as a rank of the session whose files are in `folder`, as its own last words.

    Not by torchrun's own `-m`, which would have the ranks import from the directory they are started in.
    """
    return ["--no-python", *python_module("harness.worker", str(folder / "session.json"), python=python)]


def torchrun_command(ranks: int, session_id: str, folder: Path) -> list[str]:
    """The command that starts a session whose files are in `folder`.

    The ranks of one node meet in a file: no port is opened for the rendezvous, so none can be taken by
    somebody else and nobody else can join.
    """
    return [
        *torchrun(),
        "--nnodes=1",
        f"--nproc-per-node={ranks}",
        "--rdzv-backend=c10d",
        f"--rdzv-endpoint={folder / 'rendezvous'}",
        "--rdzv-conf=store_type=file",
        f"--rdzv-id={session_id}",
        "--local-addr=localhost",
        "--max-restarts=0",
        f"--monitor-interval={TORCHRUN_LOOKS_EVERY_S}",
        f"--log-dir={folder / 'torchrun'}",
        *rank_command(folder),
    ]


def session_variables(threads: int) -> dict[str, str]:
    """Environment of a session on one node, besides what it inherits."""
    loopback = loopback_interface()
    return {
        # torchrun would start a store for the ranks that listens on every interface of the machine.
        "TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1",
        "GLOO_SOCKET_IFNAME": loopback,
        "NCCL_SOCKET_IFNAME": loopback,
        "OMP_NUM_THREADS": str(threads),
        "MKL_NUM_THREADS": str(threads),
        # Compiles in the rank itself, without helpers that would take cores from blocks.
        "TORCHINDUCTOR_COMPILE_THREADS": "1",
        **path_variables(),
        "PYTHONUNBUFFERED": "1",
    }


def temporary_variables(folder: Path) -> dict[str, str]:
    """Environment under which temporary files, and what is compiled, go to a folder that is new and this user's alone.

    New, because what an earlier run has compiled must not pass for compiling.
    """
    return {"TMPDIR": str(folder), "TORCHINDUCTOR_CACHE_DIR": str(folder / "compiled")}


def shell_line(command: list[str], variables: dict[str, str]) -> str:
    """The command as it can be pasted into a shell."""
    return shlex.join(["env", *(f"{name}={value}" for name, value in variables.items()), *command])


def loopback_interface() -> str:
    """Name of the interface that holds 127.0.0.1: lo on Linux, lo0 on macOS."""
    for name, addresses in psutil.net_if_addrs().items():
        if any(address.address == "127.0.0.1" for address in addresses):
            return str(name)
    return "lo"
