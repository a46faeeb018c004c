"""Small programs in place of SLURM's commands."""

from __future__ import annotations

from pathlib import Path


class Commands:
    """SLURM's commands, as shell scripts in a folder that is found first. `called`: what each was called with."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def make(self, name: str, script: str) -> None:
        file = self.folder / name
        file.write_text(f'#!/bin/sh\necho "{name} $@" >> {self.folder}/called\n{script}\n')
        file.chmod(0o755)

    @property
    def called(self) -> str:
        file = self.folder / "called"
        return file.read_text() if file.exists() else ""
