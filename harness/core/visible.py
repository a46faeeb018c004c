"""Which variable keeps devices from being seen.

In: an environment, and how many devices there are. Out: words. Must not know who counts.
"""

from __future__ import annotations

from collections.abc import Mapping

VARIABLE = "CUDA_VISIBLE_DEVICES"


def hidden_by(environ: Mapping[str, str], seen: int, there: int | None) -> str:
    """What lets fewer devices be seen than there are; empty where nothing does. there: None where it is not known: then
    it is told where none is seen at all."""
    given = environ.get(VARIABLE)
    if given is None or seen >= (1 if there is None else there):
        return ""
    named = f"{VARIABLE}={given}" if given else f"{VARIABLE} is set and empty"
    return f"{named}: {seen} of {there} devices are seen" if there is not None else named
