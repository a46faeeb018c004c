"""What stands on the command line after `harness sweep`, as Hydra is to have it.

In: words as they were typed. Out: words for Hydra, or an error for an option that there is not. Must not know values.

Hydra reads values by a grammar of its own, in which 1_1 is 11, 1e3 is 1000.0 and a path with a bracket is none: of keys
that are text the text is meant, as it was typed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from harness.commands.composed.keys import NESTED, known_keys
from harness.core.errors import ConfigError, UsageError
from harness.plan.allowed.nearest import with_nearest

TEXTS = (
    *("name", "out", "resume", "like", "shard", "emulator.name", "emulator.compute_capability"),
    *("model.name", "model.target", "model.inputs", "model.targets", "model.loss", "model.optimizer"),
)
# Mappings that a model fills as it likes: of others Hydra takes no key that is not there.
OPEN = ("model.args", "model.sweep")
# Which file of a group: always a name, so that Hydra says which there are.
GROUPS = ("sweep", *NESTED)
# Names and descriptions; conf/environment/ is the folder of a group to Hydra, which would take one file of it. So Hydra
# is handed a mapping, at a key of its own: what is named takes the place of what a sweep's file names, and Hydra takes
# no mapping over a list, and mixes it with another one.
ENVIRONMENT = "environment"
GIVEN_ENVIRONMENT = "given_environment"
LISTS_OF_TEXT = ("plugins", "launcher.srun_args")
MANY = ("-m", "--multirun")
# Hydra's options: those alone, and those that a value follows.
_ALONE = (
    *(*MANY, "-h", "--help", "--hydra-help", "--version", "--resolve", "-r", "--run"),
    *("-sc", "--shell-completion"),
)
_WITH_VALUE = (
    *("-c", "--cfg", "-p", "--package", "-cp", "--config-path", "-cn", "--config-name"),
    *("-cd", "--config-dir", "--experimental-rerun", "-i", "--info"),
)
_MAY_STAND_ALONE = ("-i", "--info")
_CONFIGS = ("job", "hydra", "all")
_ABOUT = ("all", "config", "defaults", "defaults-tree", "plugins", "searchpath")
# Which values they take, as argparse would tell over many lines.
_CHOICES = {"-c": _CONFIGS, "--cfg": _CONFIGS, "-i": _ABOUT, "--info": _ABOUT}
# Hydra's parser takes a time that grows as the square of the length: this many take seconds.
LONGEST = 8192
_OVERRIDE = re.compile(r"(\+{0,2})([\w.]+)=(.*)", re.DOTALL)
# What has several values under -m: a list without brackets, or one of Hydra's functions.
_FUNCTION = re.compile(r"(?:choice|range|interval|glob|sort|shuffle)\(")
# Of a list: a mapping in which there are others, two deep, or a word.
_ITEM = re.compile(r"\s*\{(?:[^{}]|\{(?:[^{}]|\{[^{}]*\})*\})*\}|[^,]+")
_PART = re.compile(r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|[^,]+""")


def for_hydra(arguments: Sequence[str]) -> list[str]:
    """Options first, since argparse takes none between overrides. Raises UsageError for one that there is not."""
    options, overrides = _separated(arguments)
    many = any(option in MANY for option in options)
    return [*options, *(_literal(without_group(override), many) for override in overrides)]


def without_group(argument: str) -> str:
    """`sweep.depth=[4]` is `depth=[4]`: the axes stand at the top, since a sweep is the whole config."""
    return re.sub(r"^(\+{0,2}|~)sweep\.(?=\w)", r"\1", argument)


def as_typed(text: str) -> str:
    """What was made of an override for Hydra, or what Hydra says of it, with the key that was typed."""
    return re.sub(rf"(?:\+\+)?\b{GIVEN_ENVIRONMENT}\b", ENVIRONMENT, text)


def _separated(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    options: list[str] = []
    overrides: list[str] = []
    left = list(arguments)
    while left:
        word = left.pop(0)
        option = word.partition("=")[0]
        if word.startswith("="):
            raise UsageError(f"{word}: a key must stand before the =, as in depth=[4,64]")
        if len(word) > LONGEST:
            raise ConfigError(
                option,
                word.partition("=")[2],
                f"at most {LONGEST} characters; what is longer stands in a file of conf/sweep/",
            )
        if not word.startswith("-"):
            overrides.append(word)
        elif option in _ALONE or (option in _WITH_VALUE and option != word):
            options.append(word)
            _check_choice(option, word.partition("=")[2])
        elif option in _WITH_VALUE:
            follows = left and not left[0].startswith("-") and not _OVERRIDE.fullmatch(left[0])
            if not follows and option not in _MAY_STAND_ALONE:
                raise UsageError(f"{word}: a value must follow")
            options += [word, left.pop(0)] if follows else [word]
            _check_choice(option, options[-1] if follows else word.partition("=")[2])
        else:
            key = option.lstrip("-").replace("-", "_")
            raise UsageError(
                f"{word}: no such option; what is measured is said as KEY=VALUE, such as depth=[4,64] or dry_run=true: "
                f"{known_keys(key)}"
            )
    return options, overrides


def _check_choice(option: str, value: str) -> None:
    choices = _CHOICES.get(option, ())
    if value and choices and value not in choices:
        raise UsageError(f"{option} {value}: not allowed; allowed: {with_nearest(value, choices)}")


def _literal(override: str, many: bool) -> str:
    """The override with its value in quotes where it is text."""
    found = _OVERRIDE.fullmatch(override)
    if not found or (many and _FUNCTION.match(found[3])):
        return override
    plus, key, value = found.groups()
    if key == ENVIRONMENT:
        parts = [value] if value.startswith(("[", "{")) or not many else value.split(",")
        return f"++{GIVEN_ENVIRONMENT}={','.join(map(_environments, parts))}"
    if key.startswith(OPEN):
        return f"++{key}={value}"
    if many and "," in value and key in (*TEXTS, *GROUPS):
        return f"{plus}{key}={_parts(value)}"
    if key in GROUPS or (key in TEXTS and value != "null"):
        return f"{plus}{key}={_quoted(value)}"
    if key in LISTS_OF_TEXT and value.startswith("[") and value.endswith("]"):
        return f"{plus}{key}=[{_parts(value[1:-1])}]"
    return override


def _environments(value: str) -> str:
    """A mapping, which Hydra takes for no group: of a name, or a list of names and mappings."""
    if value == "null":
        value = "here"  # as where nothing is said
    inner = value[1:-1] if value.startswith("[") and value.endswith("]") else value
    items = [item.strip() for item in _ITEM.findall(inner)]
    return (
        "{"
        + ", ".join(each[1:-1] if each.startswith("{") else f"{each}: {{}}" for each in items if each)
        + "}"
    )


def _parts(values: str) -> str:
    return ",".join(_quoted(part.strip()) for part in _PART.findall(values))


def _quoted(text: str) -> str:
    if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"":
        return text
    # Backslashes stand for themselves but before a quote.
    escaped = re.sub(r"(\\*)'", r"\1\1\\'", text)
    return "'" + re.sub(r"(\\+)$", r"\1\1", escaped) + "'"
