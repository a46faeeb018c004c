"""Is Python what keeps the devices waiting, by how much, and what removes it?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from harness.diagnosis.diagnose import diagnose

__all__ = ["diagnose"]

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """`harness.diagnose`, imported when it is asked for: torch is heavy, and reading a run needs none of it."""
    if name == "diagnose":
        from harness.diagnosis.diagnose import diagnose

        return diagnose
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
