"""Is Python what keeps the devices waiting, by how much, and what removes it?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from harness.diagnosis.diagnose import diagnose
    from harness.notebook.loaded import load

__all__ = ["diagnose", "load"]

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """`harness.diagnose` and `harness.load`, imported when they are asked for: torch is heavy, and so is pandas."""
    if name == "diagnose":
        from harness.diagnosis.diagnose import diagnose

        return diagnose
    if name == "load":
        from harness.notebook.loaded import load

        return load
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
