"""Where the files of this harness lie, in a checkout and where it is installed.

In: nothing. Out: paths. Must not know what the files hold.
"""

from __future__ import annotations

from pathlib import Path

# harness/ itself, and the folder it lies in: a checkout, or where packages are installed.
PACKAGE = Path(__file__).resolve().parents[2]
CHECKOUT = PACKAGE.parent


def part(inside: str, beside: str) -> Path:
    """A folder that lies beside the package in a checkout, and inside it, under another name, when installed."""
    installed = PACKAGE / inside
    return installed if installed.is_dir() else CHECKOUT / beside
