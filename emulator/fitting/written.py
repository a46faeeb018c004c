"""A fitted profile as a file: what was not fitted keeps its words, what was says from what.

In: the text of a profile's file, a fitted Profile, where its constants are from. Out: text. Must not know tables.
"""

from __future__ import annotations

import re
from dataclasses import asdict
from typing import Any

import yaml

from emulator.profile import Profile

_KEY = re.compile(r"^(\w+):")


def written(text: str, profile: Profile, keys: dict[str, str]) -> str:
    """keys: of the profile, each with the words that stand above it in the file."""
    blocks = _blocks(text)
    for key, words in keys.items():
        lines = [f"# {line}" for line in words.splitlines()]
        value = asdict(profile)[key]
        text = f"{key}: {value}" if isinstance(value, float) else _dumped({key: value})
        blocks[key] = [*lines, *text.splitlines()]
    return "\n".join(line for block in blocks.values() for line in block) + "\n"


def _blocks(text: str) -> dict[str, list[str]]:
    """Key -> its lines, with the comments above it."""
    blocks: dict[str, list[str]] = {}
    above: list[str] = []
    key = ""
    for line in text.splitlines():
        if found := _KEY.match(line):
            key = found[1]
            blocks[key] = [*above, line]
            above = []
        elif line.startswith("#") or not line.strip():
            above.append(line)
        else:
            blocks.setdefault(key, []).append(line)
    if above:
        blocks["#"] = above
    return blocks


def _dumped(values: dict[str, Any]) -> str:
    text: str = yaml.dump(values, Dumper=_Dumper, sort_keys=False, width=1000)
    return text


class _Dumper(yaml.SafeDumper):  # type: ignore[misc]
    """Values of a group on one line."""

    def represent_mapping(self, tag: str, mapping: Any, flow_style: bool | None = None) -> Any:
        flat = not any(isinstance(value, (dict, list)) for value in mapping.values())
        return super().represent_mapping(tag, mapping, flow_style=flat)

    def represent_float(self, data: float) -> Any:
        # With a point and a signed exponent: YAML takes 1e13 for text.
        text = f"{data:.6g}"
        if "e" in text:
            mantissa, _, exponent = text.partition("e")
            text = f"{mantissa if '.' in mantissa else mantissa + '.0'}e{int(exponent):+d}"
        elif "." not in text:
            text += ".0"
        return self.represent_scalar("tag:yaml.org,2002:float", text)


_Dumper.add_representer(float, _Dumper.represent_float)
