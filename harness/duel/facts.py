"""What two builds say of themselves, and what of it differs.

In: facts of each arm, as its processes tell them. Out: rows of texts, sentences. Must not know what was measured.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from harness.environments.interpreter import Interpreter

Facts = Mapping[str, str]
ABSENT = "-"
# Longer facts are not shown whole.
LONG = 60


def differing(a: Facts, b: Facts) -> list[tuple[str, str, str]]:
    """Fact, a's, b's; in a's order, then what b alone has."""
    names = dict.fromkeys([*a, *b])
    rows = [(name, a.get(name, ABSENT), b.get(name, ABSENT)) for name in names]
    return [(name, *_apart(of_a, of_b)) for name, of_a, of_b in rows if of_a != of_b]


def _apart(a: str, b: str) -> tuple[str, str]:
    """Of two long lists of words (a compiler's flags) those that one of them alone has."""
    of_a, of_b = a.split(), b.split()
    if max(len(a), len(b)) <= LONG or set(of_a) == set(of_b) or not set(of_a) & set(of_b):
        return a, b
    alone = ([word for word in mine if word not in theirs] for mine, theirs in ((of_a, of_b), (of_b, of_a)))
    first, second = (" ".join(["...", *words]) for words in alone)
    return first, second


def alike(a: Facts, b: Facts) -> list[tuple[str, str]]:
    return [(name, said) for name, said in a.items() if b.get(name) == said]


def same_place(a: Path, b: Path) -> bool:
    """Whether two interpreters are of one environment. The links in an environment's bin lead to one program for many
    of them, so that it is the folder which tells, and the program only within it."""
    folders = {path.absolute().parent.resolve() for path in (a, b)}
    return len(folders) == 1 and a.resolve() == b.resolve()


def notes(a: Interpreter, b: Interpreter) -> Iterator[str]:
    """Sentences on what the two are."""
    if not same_place(a.python, b.python):
        return
    if dict(a.environment.variables) == dict(b.environment.variables):
        yield "A and B are the same interpreter: this duel is the test of A against itself."
    else:
        yield "A and B are the same interpreter under other variables."
