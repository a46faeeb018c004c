"""The command line and the variables that a session is started with."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from small_sessions import Session

import harness.core.processes.run_module
from harness.launch.torchrun import loopback_interface, session_variables, shell_line, torchrun_command

RUN_MODULE = str(Path(harness.core.processes.run_module.__file__))


def test_the_command_is_this_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    python = str(tmp_path / "python")
    monkeypatch.setattr(sys, "executable", python)
    assert torchrun_command(2, "processes-2-try1", Path("/run/sessions/processes-2-try1")) == [
        *(python, RUN_MODULE, "torch.distributed.run"),
        "--nnodes=1",
        "--nproc-per-node=2",
        "--rdzv-backend=c10d",
        "--rdzv-endpoint=/run/sessions/processes-2-try1/rendezvous",
        "--rdzv-conf=store_type=file",
        "--rdzv-id=processes-2-try1",
        "--local-addr=localhost",
        "--max-restarts=0",
        "--monitor-interval=0.25",
        "--log-dir=/run/sessions/processes-2-try1/torchrun",
        "--no-python",
        *(python, RUN_MODULE, "harness.worker"),
        "/run/sessions/processes-2-try1/session.json",
    ]


def test_every_port_is_bound_to_the_loopback_interface() -> None:
    variables = session_variables(3)
    loopback = loopback_interface()
    assert any(a.address == "127.0.0.1" for a in psutil.net_if_addrs()[loopback])
    assert variables["GLOO_SOCKET_IFNAME"] == variables["NCCL_SOCKET_IFNAME"] == loopback
    assert variables["TORCH_DISABLE_SHARE_RDZV_TCP_STORE"] == "1"


def test_threads_are_set_and_not_left_to_a_default() -> None:
    variables = session_variables(3)
    assert variables["OMP_NUM_THREADS"] == variables["MKL_NUM_THREADS"] == "3"


def test_nothing_compiled_in_an_earlier_session_is_found_by_the_next(session: Session) -> None:
    for _ in range(2):
        session.run(
            "sender.send('cell', cache=os.environ['TORCHINDUCTOR_CACHE_DIR'], at=os.environ['TMPDIR'])"
        )
    first, second = session.events
    assert first["cache"] != second["cache"]
    assert first["at"] != second["at"]


def test_the_line_shown_does_what_the_command_does() -> None:
    code = "import os, sys; print(os.environ['A'], sys.argv[1])"
    line = shell_line([sys.executable, "-c", code, "it's $HOME"], {"A": "x y"})
    done = subprocess.run(["sh", "-c", line], capture_output=True, text=True, check=True)
    assert done.stdout == "x y it's $HOME\n"
