"""Text of unknown origin, made fit to be shown.

In: a text. Out: the same, without what a terminal would obey. Must not know where it is shown.
"""

from __future__ import annotations


def shown(text: str) -> str:
    """What would be an order to a terminal (an escape sequence, a carriage return) is written as `?`."""
    return "".join(character if character.isprintable() else "?" for character in text)
