"""Which harness this is, by its sources: so that launcher and ranks can tell that they are the same one.

In: the files of this package. Out: a digest. Must not know git: an installed harness has none, and a commit says
nothing of what was changed since.
"""

from __future__ import annotations

import hashlib
from functools import cache

from harness.core.files.places import PACKAGE


@cache
def revision() -> str:
    """12 hexadecimal digits, the same for the same sources wherever they lie."""
    digest = hashlib.sha256()
    for path in sorted(PACKAGE.rglob("*.py")):
        digest.update(str(path.relative_to(PACKAGE)).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:12]
