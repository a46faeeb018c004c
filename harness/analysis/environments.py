"""What the environments of a run were, and what they differ in beside what they are named for.

In: what the driver of each said of itself. Out: sentences. Must not know what was measured under them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath

from harness.core.text import shown

# What the same launcher has set up for all of them alike: where they differ in one of these, that is compared too.
SET_UP = ("threads", "cores", "machine", "instructions", "variables")
# What builds of one Python or one framework differ in, whatever their versions say.
BUILT = ("built_by", "gil", "libc", "compiler", "mkl", "onednn", "openmp", "blas", "cuda")
LONGEST = 60

Facts = Mapping[str, Mapping[str, str]]


def notes_on_environments(facts: Facts) -> Iterator[str]:
    """facts: of each environment. Nothing where there is none."""
    if not facts:
        return
    each = (f"{name}: Python {_of(said, 'python')}, {_of(said, 'framework')}" for name, said in facts.items())
    yield f"Measured by drivers, each in a process of its environment ({'; '.join(map(shown, each))})."
    for names in _same(facts):
        same = "are the same interpreter under the same variables: what they differ by is chance."
        yield f"{shown(', '.join(names))} {same}"
    if differing := _differing(facts, SET_UP):
        yield f"The environments were not set up alike: {differing}. What that costs is in their ratios."
    # Of builds of one framework alone: another one is built in other ways, and tells other things of itself.
    alike: dict[str, dict[str, Mapping[str, str]]] = {}
    for name, said in facts.items():
        alike.setdefault(_kind(said), {})[name] = said
    apart = [differing for own in alike.values() if (differing := _differing(own, BUILT))]
    if apart:
        yield f"The environments' builds differ in: {'; '.join(apart)}."


def _same(facts: Facts) -> Iterator[list[str]]:
    """Names of those that say the same of themselves, each group of two and more. The programs of one folder (python,
    python3) are one interpreter; those of different folders need not be, though links may lead to one file."""
    groups: dict[tuple[tuple[str, str], ...], list[str]] = {}
    for name, said in facts.items():
        place = str(PurePosixPath(said.get("executable", "")).parent)
        groups.setdefault(tuple(sorted({**said, "executable": place}.items())), []).append(name)
    yield from (names for said, names in groups.items() if len(names) > 1 and dict(said)["executable"] != ".")


def _kind(said: Mapping[str, str]) -> str:
    """The framework's name, without its version; empty where that is all that is said."""
    kind = said.get("framework", "").partition(" ")[0]
    return "" if kind[:1].isdigit() else kind


def _differing(facts: Facts, names: tuple[str, ...]) -> str:
    """Name and values of each fact that is not the same in all; of several frameworks those that all of them tell."""
    several = len({_kind(said) for said in facts.values()}) > 1
    found = []
    for name in names:
        values = [said.get(name, "") for said in facts.values()]
        if several and name != "variables" and not all(values):
            continue
        if name == "variables":  # those alone that not all of them have
            each = [value.split() for value in values]
            values = [" ".join(w for w in words if not all(w in others for others in each)) for words in each]
        if len(set(values)) > 1:
            found.append(f"{name} ({', '.join(_short(value) or 'none' for value in values)})")
    return shown("; ".join(found))


def _of(said: Mapping[str, str], name: str) -> str:
    return _short(said.get(name, ""))


def _short(value: str) -> str:
    return value if len(value) <= LONGEST else f"{value[: LONGEST - 3]}..."
