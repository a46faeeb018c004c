"""Numbers that a table can hold.

In: any value, as it was read. Out: whether it is such a number. Must not know what is counted.
"""

from __future__ import annotations

from typing import TypeGuard

# Half of what a 64-bit integer holds, so that two of them can be added: nothing that we write comes near.
LARGEST = 2**62


def is_number(value: object) -> TypeGuard[int | float]:
    """Whether a value is a finite number that a table of 64-bit numbers can hold."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    return -LARGEST < value < LARGEST  # false for infinities, and for what is not a number


def whole_number(value: object) -> int | None:
    """The value if it is a whole number that a table can hold, else None."""
    return value if is_number(value) and type(value) is int else None
