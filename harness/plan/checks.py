"""Checks of single values, each with the words in which it refuses.

In: a key as it is written on the command line, and its value. Out: nothing, or ConfigError. Must not know any key.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from harness.core.errors import ConfigError


def whole_numbers(key: str, values: Sequence[int]) -> None:
    allowed = "a list of at least one whole number, each at least 1"
    if not values:
        raise ConfigError(key, "[]", allowed)
    for value in values:
        at_least(key, value, 1, allowed)


def known_words(key: str, values: Sequence[str], known: Sequence[str]) -> None:
    if not values:
        raise ConfigError(key, "[]", f"a list of at least one of {', '.join(known)}")
    for value in values:
        one_of(key, value, known)


def one_of(key: str, value: str, known: Sequence[str]) -> None:
    if value not in known:
        close = difflib.get_close_matches(str(value), known, n=1)
        raise ConfigError(key, value, ", ".join(known) + (f" (the nearest: {close[0]})" if close else ""))


def at_least(key: str, value: int, least: int, allowed: str) -> None:
    if value < least:
        raise ConfigError(key, value, allowed)


def positive(key: str, value: float) -> None:
    if not 0 < value < float("inf"):
        raise ConfigError(key, value, "a number above 0")
