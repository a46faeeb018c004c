"""What may stand at keys that are text: names and paths.

In: a key and its text. Out: nothing, or ConfigError. Must not know what lies at a path.
"""

from __future__ import annotations

from harness.core.errors import ConfigError

# A folder's name may have 255 bytes, of which a number after it and names of ours need some.
LONGEST_NAME = 100


def check_name(name: str) -> None:
    """Of a sweep: it names a folder."""
    allowed = (
        f"at most {LONGEST_NAME} letters, digits, '.', '_' and '-', no '.' or '-' first: it names a folder"
    )
    fits = 0 < len(name.encode("utf-8", "replace")) <= LONGEST_NAME and not name.startswith((".", "-"))
    if not fits or any(not (c.isalnum() or c in "._-") for c in name):
        raise ConfigError("name", name, allowed)


def check_path_text(key: str, text: str | None) -> None:
    """Of a folder that is given; None where it is left to us."""
    if text is not None and (not text.strip() or "\0" in text):
        raise ConfigError(key, text, "a folder's path, or null")
