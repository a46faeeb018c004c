"""Words for a job told apart: options of sbatch, in any of the forms that it takes them in, and overrides of a sweep.

In: words as they were typed, and the head of a batch script. Out: options, overrides, values in seconds. Must not know
what an option does, but for the two that say when a job ends.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from harness.core.errors import ConfigError

# Those of sbatch (20.11 to 24.05) that no word follows; every other one has a value, in the same word or the next.
_ALONE = (
    *(
        "contiguous",
        "exclusive",
        "get-user-env",
        "help",
        "hold",
        "ignore-pbs",
        "no-kill",
        "no-requeue",
        "nice",
    ),
    *("overcommit", "oversubscribe", "parsable", "propagate", "quiet", "reboot", "requeue", "spread-job"),
    *("stepmgr", "test-only", "usage", "use-min-nodes", "verbose", "version", "wait"),
)
_ALONE_SHORT = "hHkOQsvVW"
_LONG_OF_SHORT = {"t": "time", "A": "account", "M": "clusters", "o": "output", "a": "array"}
_DIRECTIVE = re.compile(r"^#SBATCH[ \t]+(.*?)[ \t]*(?:[ \t]#.*)?$", re.MULTILINE)
_TIME = re.compile(r"(?:(\d+)-)?(\d+)(?::(\d+))?(?::(\d+))?")


@dataclass(frozen=True)
class Words:
    """options: of sbatch, as they were typed. overrides: of the sweep."""

    options: list[str]
    overrides: list[str]

    def value(self, name: str) -> str | None:
        """What a long option was given last, in whichever form; None where it was not."""
        found = None
        for option, value in _pairs(self.options):
            # As getopt has it, a long option may be cut short.
            if option == name or (len(option) > 1 and name.startswith(option)):
                found = value
        return found


def told_apart(words: Sequence[str]) -> Words:
    """Options stand where they like: what begins with a dash is sbatch's, with the word that is its value."""
    options: list[str] = []
    overrides: list[str] = []
    left = list(words)
    while left:
        word = left.pop(0)
        if not word.startswith("-") or word == "-":
            overrides.append(word)
            continue
        options.append(word)
        if _wants_another(word) and left:
            options.append(left.pop(0))
    return Words(options, overrides)


def of_script(text: str) -> Words:
    """The options in a batch script's head."""
    return told_apart([word for line in _DIRECTIVE.findall(text) for word in line.split()])


def seconds(time: str) -> float | None:
    """A time limit as sbatch takes it (minutes, M:S, H:M:S, D-H, D-H:M, D-H:M:S); None where there is no limit.

    Raises ConfigError where it is none.
    """
    if time.upper() in ("INFINITE", "UNLIMITED", "0", "-1"):
        return None
    found = _TIME.fullmatch(time)
    if not found:
        raise ConfigError("--time", time, "minutes, H:M:S or D-H:M:S, e.g. 04:00:00")
    days, *parts = found.groups()
    given = [int(part) for part in parts if part is not None]
    if days is not None:
        hours, minutes, rest = [*given, 0, 0][:3]
        return int(days) * 86400 + hours * 3600 + minutes * 60 + rest
    if len(given) == 3:
        return given[0] * 3600 + given[1] * 60 + given[2]
    return given[0] * 60 + (given[1] if len(given) > 1 else 0)


def warned_before_s(signal: str | None) -> float:
    """How long before its end a job is signalled, by --signal=B:USR1@180; 0 where it is not."""
    found = re.search(r"@(\d+)", signal or "")
    return int(found[1]) if found else (60 if signal else 0)


def _wants_another(word: str) -> bool:
    """Whether the word behind this option is its value."""
    if word.startswith("--"):
        name = word[2:]
        return "=" not in name and not any(each.startswith(name) for each in _ALONE)
    for place, letter in enumerate(word[1:], 1):
        if letter not in _ALONE_SHORT:
            return place == len(word) - 1
    return False


def _pairs(options: Sequence[str]) -> Iterator[tuple[str, str]]:
    """(long name, value) of each option."""
    left = list(options)
    while left:
        word = left.pop(0)
        following = left.pop(0) if _wants_another(word) and left else ""
        if word.startswith("--"):
            name, _, value = word[2:].partition("=")
            yield name, value or following
            continue
        letters = re.match(rf"-[{_ALONE_SHORT}]*", word)
        rest = word[letters.end() :] if letters else ""
        if rest:
            yield _LONG_OF_SHORT.get(rest[0], rest[0]), rest[1:] or following
