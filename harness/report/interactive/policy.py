"""Which scripts a page may run: those that it holds, known by their hashes, and nothing else.

In: scripts. Out: the text of a Content-Security-Policy. Must not know what they do.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence

# No request of any kind: figures are in the page, styles too.
_BASE = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


def policy(scripts: Sequence[str] = ()) -> str:
    """The policy of a page that holds these scripts, each written exactly so between its tags."""
    if not scripts:
        return _BASE
    return f"{_BASE}; script-src {' '.join(map(_hash, scripts))}"


def _hash(script: str) -> str:
    digest = hashlib.sha256(script.encode("utf-8")).digest()
    return f"'sha256-{base64.b64encode(digest).decode('ascii')}'"
