"""Starts the sampler of a node as a process of its own, and ends it.

In: a run directory and the monitor's config. Out: a Sampler, which is a context manager. Never raises over a
sampler that does not come up: it says why. Must not import what the sampler imports.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from harness.core.files import beneath
from harness.core.processes.children import path_variables, python_module

if TYPE_CHECKING:
    from harness.plan.config import MonitorConfig

# Without persistence mode, NVML takes a second or two for each device to wake.
READY_TIMEOUT_S = 30.0
# A call of a driver that hangs cannot be broken off: then the process is killed.
END_TIMEOUT_S = 3.0
# Of what a sampler has to say before it ends.
MOST_SAID = 2**20


class Sampler:
    """A sampler process, or why there is none.

    pid: None where it does not run; why: the reason then. out: where its samples go.
    """

    def __init__(self, out: Path, process: subprocess.Popen[bytes] | None, why: str | None) -> None:
        self.out, self.why, self._process = out, why, process

    @property
    def pid(self) -> int | None:
        running = self._process is not None and self._process.poll() is None
        return self._process.pid if self._process is not None and running else None

    def stop(self) -> None:
        """End it and wait for its end; by force if it does not heed."""
        process, self._process = self._process, None
        if process is None:
            return
        for end in (_close_stdin, subprocess.Popen.terminate, subprocess.Popen.kill):
            end(process)
            with suppress(subprocess.TimeoutExpired):
                process.wait(END_TIMEOUT_S)
                break
        if process.stdout is not None:
            process.stdout.close()
        with suppress(OSError):
            if not self.out.with_suffix(".log").stat().st_size:
                beneath.remove(*_in_run(self.out.with_suffix(".log")))

    def __enter__(self) -> Sampler:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def start(
    folder: Path, config: MonitorConfig, variables: Mapping[str, str] | None = None, node: int = 0
) -> Sampler:
    """Start the sampler of this node; it writes folder/monitor/node-<node>.jsonl and ends with this process.

    variables: added to its environment, as the workers have them. Waits until it samples or has given up. To be
    called in the main thread: Linux ends such a process with the thread that started it.
    """
    out = folder.absolute() / "monitor" / f"node-{node}.jsonl"
    if not config.sampler:
        return Sampler(out, None, "switched off: monitor.sampler=false")
    said = out.with_suffix(".log")
    values = {
        "out": str(out),
        "node": node,
        "hz": config.hz,
        "parent_pid": os.getpid(),
        "ends_with_stdin": True,
    }
    try:
        beneath.make_folder(folder, "monitor")
        process = _started(json.dumps(values), said, variables or {})
    except OSError as error:
        return Sampler(out, None, f"the sampler cannot be started: {error}")
    sampler = Sampler(out, process, None)
    try:
        is_ready = _is_ready(process)
    except BaseException:  # a signal, of which nobody who could stop it has heard yet
        sampler.stop()
        raise
    if not is_ready and process.poll() is not None:
        lines = beneath.read(*_in_run(said), MOST_SAID).decode(errors="replace").splitlines() or [
            "it says nothing"
        ]
        sampler.why = f"the sampler ended with status {process.returncode}: {lines[-1]}"
        sampler.stop()
    return sampler


def _in_run(path: Path) -> tuple[Path, str]:
    """The run directory that a sampler's file is in, and its path there."""
    return path.parents[1], f"{path.parent.name}/{path.name}"


def _started(spec: str, said: Path, variables: Mapping[str, str]) -> subprocess.Popen[bytes]:
    from harness.core.processes.ends_with_parent import ending_with_parent

    descriptor = beneath.truncated(beneath.open_file(*_in_run(said), os.O_CREAT | os.O_WRONLY))
    with os.fdopen(descriptor, "wb") as errors:
        return subprocess.Popen(
            python_module("harness.monitor", spec),
            env={**os.environ, **variables, **path_variables(), "PYTHONUNBUFFERED": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            preexec_fn=ending_with_parent(),
        )


def _is_ready(process: subprocess.Popen[bytes]) -> bool:
    """Wait for its word, its end, or long enough."""
    until = time.monotonic() + READY_TIMEOUT_S
    assert process.stdout is not None
    if select.select([process.stdout], [], [], READY_TIMEOUT_S)[0]:
        if process.stdout.readline():
            return True
        with suppress(subprocess.TimeoutExpired):
            process.wait(max(0.1, until - time.monotonic()))
    return False


def _close_stdin(process: subprocess.Popen[bytes]) -> None:
    if process.stdin is not None:
        with suppress(OSError):
            process.stdin.close()
