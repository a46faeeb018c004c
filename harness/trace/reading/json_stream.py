"""A trace file read event by event: gzip or plain, whole or cut off, never all of it in memory.

In: the path of a JSON file. Out: its events as dicts, what stands beside them, and how it ended. Must not know what an
event means.
"""

from __future__ import annotations

import codecs
import json
import re
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any, Generic

from harness.core.errors import HarnessError
from harness.trace.reading.event import DECODER, Decoder, Kind

Progress = Callable[[int], object]
EVENTS = "traceEvents"
_CHUNK = 2**20
# No event of a profiler is as long, nor what stands beside them: distributedInfo names the ranks of each group.
LONGEST = 2**26
_SPACE = " \t\r\n"
# Between two objects of a list; looked for in so much of what was read.
_BETWEEN = re.compile(r"\}\s*,\s*\{")
_TAIL = 2**16


class NoTrace(HarnessError):
    """The file is no trace."""


class TraceFile(Generic[Kind]):
    """One file, whose events are read as one type. about: what stands beside the events, as far as it was read. cut:
    why reading ended before the file's end said so; empty where it is whole."""

    def __init__(self, path: Path, decoder: Decoder[Kind], progress: Progress = lambda _: None) -> None:
        """progress: called with the number of further bytes of the file that were read."""
        self.path = path
        self._decoder, self._progress = decoder, progress
        self.about: dict[str, Any] = {}
        self.cut = ""

    def events(self) -> Iterator[list[Kind]]:
        """Some at a time, in order; to be read once.

        Raises NoTrace where there are no events in it, OSError where it cannot be read.
        """
        with self.path.open("rb") as file:
            packed = file.read(2) == b"\x1f\x8b"
            file.seek(0)
            chunks = self._chunks(file, _CHUNK // 8 if packed else _CHUNK)
            yield from self._parsed(_text(_unpacked(chunks) if packed else chunks))

    def _chunks(self, file: IO[bytes], size: int) -> Iterator[bytes]:
        while chunk := file.read(size):
            self._progress(len(chunk))
            yield chunk

    def _parsed(self, text: Iterator[str]) -> Iterator[list[Kind]]:
        window = _Window(text)
        first = window.peek()
        if first == "[":
            yield from self._list(window)
            return
        if first != "{":
            raise NoTrace(f"{self.path}: no trace of torch.profiler (JSON with {EVENTS})")
        window.skip("{")
        seen = False
        try:
            while window.peek() not in ("}", ""):
                key = window.value()
                window.skip(":")
                if key == EVENTS and window.peek() == "[":
                    seen = True
                    yield from self._list(window)
                else:
                    self.about[str(key)] = window.value()
                window.skip(",", optional=True)
            if not self.cut:
                window.skip("}")
        except _Cut as cut:
            self.cut = str(cut)
        if not seen:
            raise NoTrace(
                f"{self.path}: no trace of torch.profiler: no {EVENTS} in it{self.cut and f' ({self.cut})'}"
            )

    def _list(self, window: _Window) -> Iterator[list[Kind]]:
        try:
            window.skip("[")
            while window.peek() not in ("]", ""):
                events = window.events(self._decoder)
                if events is None:
                    event = self._decoder.one(window.value())
                    events = [event] if event else []
                yield events
                window.skip(",", optional=True)
            window.skip("]")
        except _Cut as cut:
            self.cut = str(cut)


def _unpacked(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """What a gzip file holds, as far as it goes: Python's own reader gives nothing of what stands before a cut."""
    unpacker = zlib.decompressobj(wbits=31)
    for packed in chunks:
        while packed:
            yield unpacker.decompress(packed)
            packed = unpacker.unused_data
            if packed:  # files that were put behind each other
                unpacker = zlib.decompressobj(wbits=31)


def _text(chunks: Iterator[bytes]) -> Iterator[str]:
    """None of them empty. What is no UTF-8 stands in a name, at most."""
    decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
    for chunk in chunks:
        if text := decoder.decode(chunk):
            yield text


class _Cut(Exception):
    """Nothing more can be read."""


class _Window:
    """The part of a text that is being read."""

    def __init__(self, text: Iterator[str]) -> None:
        self._text, self._held, self._at, self._ended = text, "", 0, False
        self._error = "the file ends within it"
        self._unsure = False

    def peek(self) -> str:
        """The next character that is no space; "" at the end."""
        while True:
            while self._at < len(self._held):
                if self._held[self._at] not in _SPACE:
                    return self._held[self._at]
                self._at += 1
            if not self._more():
                return ""

    def skip(self, character: str, *, optional: bool = False) -> None:
        if self.peek() == character:
            self._at += 1
        elif not optional:
            raise _Cut(self._error if self._ended else f"{character!r} is missing in it")

    def events(self, decoder: Decoder[Kind]) -> list[Kind] | None:
        """As many of a list as can be told at once; None where that is not sure.

        Up to the last place that looks like the end of one before the beginning of another. Where it is none, within a
        text or in a list further in, what stands before it is no list of JSON.
        """
        tail = max(self._at, len(self._held) - _TAIL)
        between = [found.start() for found in _BETWEEN.finditer(self._held, tail)]
        if self._unsure or not between:
            return None
        end = between[-1] + 1
        found = decoder.many(self._held[self._at : end])
        if found is None:
            self._unsure = True  # of all that is held: each value would try it again
        else:
            self._at = end
        return found

    def value(self) -> Any:
        """The next value of JSON, whole."""
        self.peek()
        while True:
            try:
                value, end = DECODER.raw_decode(self._held, self._at)
            except (json.JSONDecodeError, RecursionError) as error:
                # What is cut off by the window looks like what is wrong: more of it tells them apart.
                if len(self._held) - self._at > LONGEST or not self._more():
                    why = self._error if self._ended else f"{type(error).__name__} in it"
                    raise _Cut(why) from None
                continue
            # A number may go on behind the window.
            if end == len(self._held) and self._more():
                continue
            self._at = end
            return value

    def _more(self) -> bool:
        if self._ended:
            return False
        try:
            chunk = next(self._text, "")
        except zlib.error as error:
            chunk, self._error = "", f"it cannot be unpacked to its end ({error})"
        if not chunk:
            self._ended = True
            return False
        self._held, self._at, self._unsure = self._held[self._at :] + chunk, 0, False
        return True
