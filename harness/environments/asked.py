"""What an interpreter is and has, by its own word; and in one line why it does not run.

In: the path of an interpreter, and the framework's name. Out: Facts, or DoesNotRun. Must not know environments.
"""

from __future__ import annotations

import errno
import json
import os
import platform
import re
import signal
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ground.children import ask
from harness.core.text import shown

_PROBE = Path(__file__).resolve().with_name("probe.py")
_MARK = "@@harness-facts "
# An import of torch takes some seconds, and a minute from a cold shared file system.
TIMEOUT_S = 180.0
_LONGEST = 300
# Bytes 18 and 19 of an ELF file: for what processor it is (System V ABI, e_machine).
_MACHINES = {0x03: "i386", 0x15: "ppc64", 0x28: "arm", 0x3E: "x86_64", 0xB7: "aarch64", 0xF3: "riscv64"}


class DoesNotRun(Exception):
    """Why, in one line."""


@dataclass(frozen=True)
class Facts:
    """python: 3.12.1. platform: linux-x86_64. base: the interpreter that a virtual environment was made of. found:
    whether the framework is there. version, build (CPU, CUDA 12.6): of the framework, and error: why it cannot be
    imported; known where it was imported only, empty else."""

    python: str
    implementation: str
    platform: str
    free_threaded: bool
    base: str
    found: bool
    version: str = ""
    build: str = ""
    error: str = ""

    @property
    def short(self) -> str:
        """As an environment names it: 3.12, or 3.13t."""
        numbers = re.match(r"\d+\.\d+", self.python, re.ASCII)
        assert numbers, self.python
        return numbers[0] + ("t" if self.free_threaded else "")


def ask_facts(
    python: Path,
    framework: str,
    variables: Mapping[str, str],
    *,
    importing: bool,
    timeout_s: float = TIMEOUT_S,
) -> Facts:
    """variables: the process's whole environment. importing: whether the framework is imported, which takes seconds.

    Raises DoesNotRun where it is no Python that runs. What is wrong with the framework stands in the facts.
    """
    command = [str(python), str(_PROBE), framework, "import" if importing else "find"]
    try:
        done = ask(command, variables=variables, timeout_s=timeout_s)
    except subprocess.TimeoutExpired:
        raise DoesNotRun(f"{python} did not answer within {timeout_s:g} s") from None
    except OSError as error:
        raise DoesNotRun(_not_started(python, error)) from None
    said = [line for line in done.stdout.splitlines() if line.startswith(_MARK)]
    try:
        return _facts(json.loads(said[-1][len(_MARK) :]))
    except (IndexError, ValueError, TypeError, AttributeError):
        raise DoesNotRun(_ended(python, framework, importing, done)) from None


def _facts(plain: Any) -> Facts:
    texts = {
        key: shown(str(plain.get(key, ""))[:_LONGEST])
        for key in ("python", "implementation", "platform", "base", "version", "build", "error")
    }
    if not re.match(r"\d+\.\d+", texts["python"], re.ASCII):
        raise ValueError("no Python")
    return Facts(found=bool(plain.get("found")), free_threaded=bool(plain.get("free_threaded")), **texts)


def _not_started(python: Path, error: OSError) -> str:
    if error.errno == errno.ENOENT:
        if not os.path.lexists(python):
            return f"{python} is not there"
        if not python.exists():
            return f"{python} leads to {os.path.realpath(python)}, which is not there"
        return f"{python} cannot be run: the loader or the program that it names is not there"
    if error.errno == errno.ENOEXEC:
        return f"{python} is {_machine_of(python)}, and this machine is {platform.machine()}"
    if error.errno == errno.EACCES:
        return f"{python} is no program that this user may run"
    return f"{python} cannot be run: {error.strerror or error}"


def _machine_of(python: Path) -> str:
    try:
        with python.open("rb") as file:
            head = file.read(20)
    except OSError:
        head = b""
    if not head.startswith(b"\x7fELF") or len(head) < 20:
        return "no program of this system"
    # Byte 5 says in which order the others are: 2 for the big end first.
    number = int.from_bytes(head[18:20], "big" if head[5] == 2 else "little")
    return f"built for {_MACHINES.get(number, f'another processor ({number:#x})')}"


def _ended(python: Path, framework: str, importing: bool, done: subprocess.CompletedProcess[str]) -> str:
    doing = f"importing {framework}" if importing else "it was asked what it is"
    if done.returncode < 0:
        try:
            name = signal.Signals(-done.returncode).name
        except ValueError:
            name = f"signal {-done.returncode}"
        return f"{python} was ended by {name} while {doing}"
    last = next((line.strip() for line in reversed(done.stderr.splitlines()) if line.strip()), "")
    said = shown(last[:_LONGEST]) or f"exit status {done.returncode}"
    return f"{python} is no Python that answers ({said})"
