"""Places for tests of several workers: whoever has one runs, the others wait."""

from __future__ import annotations

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def in_turn(folder: Path, places: int) -> Iterator[None]:
    """Within: this process has one of so many places, each a file of the folder. A lock of POSIX, which no child
    inherits and which ends with its process: a worker that dies keeps nobody waiting."""
    folder.mkdir(exist_ok=True)
    with _first_that_is_free([folder / str(number) for number in range(places)]):
        yield


@contextmanager
def _first_that_is_free(files: list[Path]) -> Iterator[None]:
    while True:
        for file in files:
            with file.open("w") as lock:
                try:
                    fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except OSError:
                    continue
                yield
                return
        time.sleep(0.02)
