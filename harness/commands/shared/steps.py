"""The steps of something that takes minutes: a line each, and on a terminal what goes on within one.

In: texts. Out: lines on standard error. Must not know which command it is.
"""

from __future__ import annotations

import shutil
import sys

from harness.core.text import shown

_BACK_AND_CLEAR = "\r\x1b[K"


class Steps:
    """detail is shown on a terminal alone, on a line that the next thing said replaces."""

    def __init__(self) -> None:
        self._is_terminal = sys.stderr.isatty()
        self._is_open = False

    def told(self, what: str) -> None:
        self.end()
        print(shown(what), file=sys.stderr, flush=True)

    def detail(self, what: str) -> None:
        if not self._is_terminal:
            return
        width = max(20, shutil.get_terminal_size().columns - 1)
        print(_BACK_AND_CLEAR + f"  {shown(what)}"[:width], end="", file=sys.stderr, flush=True)
        self._is_open = True

    def end(self) -> None:
        if self._is_open:
            print(_BACK_AND_CLEAR, end="", file=sys.stderr, flush=True)
            self._is_open = False
