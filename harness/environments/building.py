"""How an environment is made: a virtual environment of the interpreter that is asked for, and pip within it.

In: an Environment, an interpreter, an empty folder. Out: the folder filled, or CannotBeMade with the reason in one
line. Must not know where environments are kept, nor what is measured in one.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from ground.children import ending_with_parent
from harness.core.text import shown
from harness.environments.asked import DoesNotRun, Facts, ask_facts
from harness.environments.document import Environment
from harness.environments.kept import VARIABLE, interpreter_in
from harness.environments.standin import CannotStandIn, stand_in
from harness.environments.started import variables_of

Told = Callable[[str], None]

# Of pip's variables those that say where packages come from. Others (PIP_TARGET, PIP_USER, PIP_PREFIX) would have it
# install elsewhere, or something else (PIP_REQUIREMENT).
_OF_PIP = (
    *("CACHE_DIR", "CERT", "CLIENT_CERT", "CONFIG_FILE", "DEFAULT_TIMEOUT", "EXTRA_INDEX_URL", "FIND_LINKS"),
    *("INDEX_URL", "KEYRING_PROVIDER", "NO_CACHE_DIR", "NO_INDEX", "ONLY_BINARY", "PREFER_BINARY", "PROXY"),
    *("RETRIES", "TIMEOUT", "TRUSTED_HOST"),
)
# The same in its configuration files, which it reads for where packages come from.
_ELSEWHERE = re.compile(
    r"^(?:global|install)\.(?:target|prefix|root|user|src|editable|requirement)=", re.MULTILINE
)
# Wheels of today (manylinux2014, PEP 600) are found from this pip on; Python 3.6 brings 18.1.
_PIP_OF_TODAY = (20, 3)
# The last for Python 3.6, which later ones of its index may not say that they cannot be used with.
_NEWER_PIP = "pip==21.3.1"
# Which says how far a download is in lines (--progress-bar raw).
_PIP_WITH_PROGRESS = (24, 1)
_PROGRESS = re.compile(r"Progress (\d+) of (\d+)")
_FULL = ("No space left on device", "Disk quota exceeded")
# What a virtual environment takes with pip, about: venv does not say what its own pip has failed of.
_LEAST_FREE = 32 * 2**20
_UNREACHABLE = ("Failed to establish a new connection", "name resolution", "timed out", "Connection refused")
_NO_ENSUREPIP = ("ensurepip is not available", "No module named ensurepip", "No module named 'ensurepip'")
_MOST_LINES = 400


class CannotBeMade(Exception):
    """Why, in one line."""


def build(environment: Environment, base: Path, folder: Path, told: Told, detail: Told) -> Facts:
    """Answers what it turned out to be. told: each step; detail: what pip says meanwhile. Raises CannotBeMade."""
    return _Building(environment, base, folder, told, detail).build()


class _Building:
    def __init__(self, environment: Environment, base: Path, folder: Path, told: Told, detail: Told) -> None:
        self.environment, self.base, self.folder = environment, base, folder
        self.told, self.detail = told, detail
        self.python = interpreter_in(folder)
        # On the same disk, and nobody else's: pip unpacks there.
        self.temporary = folder / "tmp"
        given = variables_of(environment)
        kept = {
            name: value
            for name, value in given.items()
            if not name.startswith("PIP_") or name.removeprefix("PIP_") in _OF_PIP
        }
        self.variables = {**kept, "PYTHONUNBUFFERED": "1", "TMPDIR": str(self.temporary)}
        # -m looks where it stands first, before Python 3.11: it stands in a folder of its own, which is empty.
        self.stands_in = folder / "tmp" / "empty"

    def build(self) -> Facts:
        self.stands_in.mkdir(parents=True)
        self.told(f"virtual environment of {self.base}")
        self._run([str(self.base), "-m", "venv", str(self.folder / "venv")], _of_venv(self.base))
        pip = self._pip()
        build_requires = self.environment.build_requires
        if build_requires:
            self.told(f"installing what is built from source with {', '.join(build_requires)}")
            self._install(pip, build_requires)
        self.told(f"installing {', '.join(self.environment.requirements)}")
        self._install(pip, self.environment.requirements, isolated=not build_requires)
        for name in self.environment.stand_ins:
            self.told(f"compiling a stand-in for {name}")
            self._stand_in(name)
        self.told(f"importing {self.environment.framework}")
        facts = self._checked()
        shutil.rmtree(self.temporary, ignore_errors=True)
        return facts

    def _pip(self) -> tuple[int, ...]:
        """Its version; a newer one where it is too old for wheels of today."""
        pip = self._pip_version()
        if elsewhere := _ELSEWHERE.search(self._answer("config", "list")):
            key = elsewhere[0].rstrip("=")
            raise CannotBeMade(
                f"pip's configuration sets {key}, so that it would install elsewhere: take it out"
            )
        if pip < _PIP_OF_TODAY:
            self.told(f"a newer pip than {'.'.join(map(str, pip))}")
            try:
                self._install(pip, ["--upgrade", _NEWER_PIP])
            except CannotBeMade as error:
                self.told(f"no newer pip ({error}): goes on with this one")
            pip = self._pip_version()
        return pip

    def _pip_version(self) -> tuple[int, ...]:
        found = re.match(r"pip (\d+)\.(\d+)", self._answer("--version"))
        if not found:
            raise CannotBeMade(f"{self.base} makes virtual environments without pip")
        return int(found[1]), int(found[2])

    def _answer(self, *arguments: str) -> str:
        return "\n".join(self._run([str(self.python), "-m", "pip", *arguments], _of_pip, quiet=True))

    def _stand_in(self, name: str) -> None:
        try:
            for packages in sorted((self.folder / "venv" / "lib").glob("python*/site-packages")):
                for made in stand_in(name, packages, self.temporary / "stand-in", self.variables):
                    self.detail(f"made {made}")
        except (CannotStandIn, OSError) as error:
            raise CannotBeMade(f"the stand-in for {name}: {error}") from None

    def _install(self, pip: tuple[int, ...], what: Sequence[str], *, isolated: bool = True) -> None:
        """isolated: whether what is built from source is built with what it asks for, and not with what is there."""
        bar = "raw" if pip >= _PIP_WITH_PROGRESS else "off"
        index = ["--index-url", self.environment.index] if self.environment.index else []
        options = ["--no-user", "--disable-pip-version-check", "--no-input", "--progress-bar", bar, *index]
        if not isolated:
            options.append("--no-build-isolation")
        self._run([str(self.python), "-m", "pip", "install", *options, *what], _of_pip)

    def _checked(self) -> Facts:
        name = self.environment.framework
        try:
            facts = ask_facts(self.python, name, variables_of(self.environment), importing=True)
        except DoesNotRun as error:
            raise CannotBeMade(str(error)) from None
        if not facts.found:
            raise CannotBeMade(f"{', '.join(self.environment.requirements)} bring no module {name}")
        if facts.error:
            raise CannotBeMade(f"{name} cannot be imported ({facts.error})")
        return facts

    def _run(
        self, command: Sequence[str], reason: Callable[[Sequence[str]], str], *, quiet: bool = False
    ) -> list[str]:
        """Answers its last lines. Raises CannotBeMade."""
        lines: list[str] = []

        def hear(line: str) -> None:
            if found := _PROGRESS.fullmatch(line.strip()):
                done, whole = int(found[1]) / 2**20, int(found[2]) / 2**20
                self.detail(f"{done:.0f} of {whole:.0f} MiB")
                return
            lines.append(line)
            del lines[:-_MOST_LINES]
            # Of a warning nothing follows while it goes on, and it would hide what is being done.
            if not quiet and line.strip() and not line.startswith("WARNING:"):
                self.detail(line.strip())

        try:
            status = _run_heard(command, self.variables, self.stands_in, hear)
        except OSError as error:
            raise CannotBeMade(f"{command[0]} cannot be run: {error.strerror or error}") from None
        if status:
            if self._is_full(lines):
                raise CannotBeMade(
                    f"no space left for it in {self.folder.parent}, or in pip's cache: free some, or name another "
                    f"folder with {VARIABLE}"
                )
            raise CannotBeMade(reason(lines) or f"{' '.join(command[1:4])} ended with exit status {status}")
        return lines

    def _is_full(self, lines: Sequence[str]) -> bool:
        if any(full in line for line in lines for full in _FULL):
            return True
        with contextlib.suppress(OSError):
            return shutil.disk_usage(self.folder).free < _LEAST_FREE
        return False


def _run_heard(
    command: Sequence[str], variables: Mapping[str, str], folder: Path, hear: Callable[[str], None]
) -> int:
    """Run a command to its end, and hear each line as it comes. Nothing of it outlives this call."""
    child = subprocess.Popen(
        command,
        env=variables,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        # What it starts itself (a build of a source) ends with it: a group of its own.
        start_new_session=True,
        preexec_fn=ending_with_parent(),
    )
    assert child.stdout is not None
    try:
        for line in child.stdout:
            hear(shown(line.rstrip("\n")))
        return child.wait()
    finally:
        if child.poll() is None:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()
        child.stdout.close()


def _of_venv(base: Path) -> Callable[[Sequence[str]], str]:
    def reason(lines: Sequence[str]) -> str:
        if any(sign in line for line in lines for sign in _NO_ENSUREPIP):
            return (
                f"{base} cannot make virtual environments (no ensurepip); on Debian: apt-get install python3-venv, or "
                "name another one with python=..."
            )
        last = next((line.strip() for line in reversed(lines) if line.strip()), "")
        return f"{base} makes no virtual environment ({last[:300]})"

    return reason


def _of_pip(lines: Sequence[str]) -> str:
    errors = [line.strip() for line in lines if line.lstrip().startswith("ERROR:")]
    # Old ones have it in lower letters, after spaces.
    missing = [line for line in lines if "No matching distribution" in line]
    if any(sign in line for line in lines for sign in _UNREACHABLE):
        return (
            "the package index cannot be reached: " + (missing or errors or ["pip gave up"])[-1].strip()[:300]
        )
    said = (missing or errors or [line for line in lines if line.strip()] or [""])[-1].strip()
    return f"pip: {said.removeprefix('ERROR:').strip()[:300]}" if said else ""
