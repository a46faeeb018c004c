"""A duration in words.

In: seconds. Out: text. Must not know what takes so long.
"""

from __future__ import annotations


def in_words(seconds: float) -> str:
    """`45 s`, `12 min`, `1.5 h`."""
    seconds = round(seconds)
    if seconds < 90:
        return f"{seconds} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
