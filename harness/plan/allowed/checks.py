"""Checks of single values, each with the words in which it refuses.

In: a key as it is written on the command line, and its value. Out: nothing, or ConfigError. Must not know any key.
"""

from __future__ import annotations

from collections.abc import Sequence

from harness.core.errors import ConfigError
from harness.plan.allowed.nearest import with_nearest


def some(key: str, values: Sequence[object], instead: str = "") -> None:
    """instead: what an empty list may be meant for."""
    if not values:
        raise ConfigError(key, "[]", f"a list of at least one whole number{instead}")


def known_words(key: str, values: Sequence[str], known: Sequence[str]) -> None:
    if not values:
        raise ConfigError(key, "[]", f"a list of at least one of {', '.join(known)}")
    for value in values:
        one_of(key, value, known)


def one_of(key: str, value: str, known: Sequence[str]) -> None:
    if value not in known:
        raise ConfigError(key, value, with_nearest(str(value), known))
