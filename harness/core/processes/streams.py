"""Standard output and error that cannot end the program: what cannot be written is dropped.

In: the process's own streams. Out: others in their place. Must not know what is written.

A reader that has gone (`| head -1`), a terminal that is closed, a disk that is full behind `> file`, a stream that was
closed from the start, letters that the terminal's encoding lacks: none of them is a reason to lose a measurement.
"""

from __future__ import annotations

import contextlib
import io
import os
import select
import sys
from typing import TextIO


class _Dropping(io.FileIO):
    """A descriptor that takes everything: after the first error nothing more is tried."""

    lost = False

    def write(self, data: object) -> int:
        view = memoryview(data).cast("B")  # type: ignore[arg-type]
        if self.lost:
            return len(view)
        try:
            written = super().write(view)
            while written is None:  # somebody has made the pipe non-blocking, which is full
                select.select([], [self.fileno()], [])
                written = super().write(view)
            return written
        except (OSError, ValueError):
            self.lost = True
            return len(view)


def make_unbreakable() -> None:
    """Put streams of this kind in the place of sys.stdout and sys.stderr. For a process's own beginning.

    Descriptors 0 to 2 that are closed are opened on nothing: the next file would get their number, and be written into
    by whoever prints.
    """
    _fill_standard_descriptors()
    sys.stdout = _unbreakable(sys.stdout, 1)
    sys.stderr = _unbreakable(sys.stderr, 2)


def _fill_standard_descriptors() -> None:
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            with contextlib.suppress(OSError):
                opened = os.open(os.devnull, os.O_RDWR)
                os.dup2(opened, number)
                if opened > 2:
                    os.close(opened)


def _unbreakable(stream: TextIO | None, number: int) -> TextIO:
    if stream is not None:
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    buffer = io.BufferedWriter(_Dropping(number, "wb", closefd=False))
    return io.TextIOWrapper(
        buffer,
        encoding=getattr(stream, "encoding", None) or "utf-8",
        errors="backslashreplace",
        # Errors at once; what is printed as Python does it of itself.
        line_buffering=number == 2 or bool(getattr(stream, "line_buffering", False)),
        write_through=bool(getattr(stream, "write_through", False)),
    )
