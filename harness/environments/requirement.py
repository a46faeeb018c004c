"""One line of what is installed in an environment: a name and its one version, and nothing else.

In: a text. Out: the same, or the reason why it is refused. Must not know pip, nor what is installed.

What pip takes besides (options, files, addresses, folders) could have it install from anywhere, or run anything; and a
range of versions is another environment tomorrow.
"""

from __future__ import annotations

import re

EXAMPLE = "torch==2.13.0"
# Where an index is named that is not pip's own: in words, at the end of a sentence.
AT_INDEX = "at the key index"
_NAME = r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?"
# A public version of PEP 440, and the local one after a plus (the build: torch==2.13.0+cpu).
_VERSION = r"[0-9][A-Za-z0-9.!_-]*(?:\+[A-Za-z0-9]+(?:[._-][A-Za-z0-9]+)*)?"
_PINNED = re.compile(rf"{_NAME}(?:\[{_NAME}(?:, ?{_NAME})*\])? ?== ?{_VERSION}", re.ASCII)
_LONGEST = 200


def refusal(line: str) -> str:
    """Why a line is no pinned requirement, as the end of "allowed: ..."; empty where it is one."""
    text = line.strip()
    if len(text) > _LONGEST:
        return f"at most {_LONGEST} characters"
    if _PINNED.fullmatch(text):
        return ""
    if re.search(r"(?:^|\s)-", text):
        return f"no options of pip, only lines such as {EXAMPLE}; an index is named {AT_INDEX}"
    if "://" in text or "@" in text or "/" in text:
        return f"no addresses and no paths, only lines such as {EXAMPLE}"
    if ";" in text:
        return f"no markers: an environment has one Python, so write only what it needs, such as {EXAMPLE}"
    return f"one version, pinned with ==, as in {EXAMPLE}"


def pinned(line: str) -> str:
    """As it is compared and handed to pip: without spaces."""
    return "".join(line.split())
