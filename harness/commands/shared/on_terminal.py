"""What a terminal shows while a command works, and how it breaks lines; elsewhere plain text and no bar.

In: words and numbers. Out: text. Must not know which command it is.

rich is imported for a terminal alone: it takes as long to import as a small trace takes to read.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from harness.core.text import shown

if TYPE_CHECKING:
    import rich.progress


def print_words(text: str) -> None:
    """A sentence, broken between words where a terminal's line ends."""
    if not sys.stdout.isatty():
        print(text)
        return
    from rich.console import Console
    from rich.text import Text

    Console().print(Text(text))


class Progress:
    """How much of the files was read, and what is made of them; shown nowhere."""

    def expect(self, files: Sequence[Path]) -> None:
        """They will be read."""

    def read(self, size: int) -> None:
        """size: so many further bytes were."""

    def told(self, what: str) -> None:
        """What is being done from now on."""


@contextlib.contextmanager
def progress() -> Iterator[Progress]:
    """A bar on a terminal while it is open."""
    if not sys.stderr.isatty():
        yield Progress()
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bar

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeElapsedColumn())
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        yield _OnBar(bar)


class _OnBar(Progress):
    def __init__(self, bar: rich.progress.Progress) -> None:
        self._bar, self._task = bar, bar.add_task("", total=None)

    def expect(self, files: Sequence[Path]) -> None:
        with contextlib.suppress(OSError):
            self._bar.update(self._task, total=sum(file.stat().st_size for file in files))

    def read(self, size: int) -> None:
        self._bar.advance(self._task, size)

    def told(self, what: str) -> None:
        from rich.markup import escape

        self._bar.update(self._task, description=escape(shown(what)))
