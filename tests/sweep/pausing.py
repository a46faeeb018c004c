"""The command line, held at a point of its way: where a module is first looked for, in it or in a child of its."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from running import command, environment, heeding_signals, wait_until

HOOK = """
import os, sys, time

class Pause:
    def find_spec(self, name, path=None, target=None):
        if name == os.environ["PAUSE_AT"] and not os.path.exists(os.environ["PAUSE_IN"] + "/go"):
            with open(os.environ["PAUSE_IN"] + "/writing", "w") as file:
                file.write(str(os.getpid()))
            os.rename(file.name, os.environ["PAUSE_IN"] + "/paused")
            while not os.path.exists(os.environ["PAUSE_IN"] + "/go"):
                time.sleep(0.02)

sys.meta_path.insert(0, Pause())
"""


class Paused:
    """process: the command. pid: of the process that is held. go(): let it go on."""

    def __init__(self, process: subprocess.Popen[str], folder: Path) -> None:
        self.process, self.folder = process, folder
        self.pid = int((folder / "paused").read_text())

    def go(self) -> None:
        (self.folder / "go").touch()

    def ended(self) -> tuple[int, str, str]:
        """Exit status, output and errors."""
        out, errors = self.process.communicate(timeout=60)
        return self.process.returncode, out, errors


@contextmanager
def paused(
    folder: Path, module: str, *arguments: str, begin: Callable[[], None] = heeding_signals, **variables: str
) -> Iterator[Paused]:
    """Run the command line in `folder` until it looks for a module. begin: called in the process before all else."""
    hook = folder / "hook"
    hook.mkdir()
    (hook / "sitecustomize.py").write_text(HOOK)
    known = environment()
    path = os.pathsep.join([str(hook), known["PYTHONPATH"]])
    process = subprocess.Popen(
        command(*arguments),
        cwd=folder,
        env={**known, **variables, "PYTHONPATH": path, "PAUSE_AT": module, "PAUSE_IN": str(hook)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=begin,
    )
    try:
        wait_until(lambda: (hook / "paused").exists() or process.poll() is not None, f"a look for {module}")
        assert process.poll() is None, process.communicate()
        yield Paused(process, hook)
    finally:
        (hook / "go").touch()
        process.kill()
        process.communicate()
