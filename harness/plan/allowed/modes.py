"""The axis `mode` where environments have frameworks of their own: its words, `all` in full, what a mode says.

In: a Config, a Point. Out: words, points' modes, reasons. Must not know whether an environment is there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.core.errors import ConfigError
from harness.core.schema import STYLE_OF_TORCH, TORCH
from harness.environments.document import Environment
from harness.environments.frameworks import ALL, framework_of, modes_of_others
from harness.modes import get_mode, mode_names
from harness.plan.allowed.checks import known_words
from harness.plan.allowed.environments import is_driven
from harness.plan.allowed.nearest import nearest
from harness.plan.points import Point

KEY = "mode"


@dataclass(frozen=True)
class Said:
    """What is known of a point's mode beforehand. style: empty where nothing tells, as of a plugin's."""

    style: str
    needs_python: bool
    holds_lock: bool


def mode_words(environments: Sequence[Environment]) -> tuple[str, ...]:
    """Those of other frameworks too, where drivers measure: which of them an environment lacks, its rows say."""
    return (*mode_names(), *modes_of_others(), ALL) if is_driven(environments) else mode_names()


def check_modes(given: Sequence[str], environments: Sequence[Environment]) -> None:
    """Raises ConfigError for a word that no framework has, and for `all` beside others or where nothing is driven."""
    if ALL in given and not is_driven(environments):
        allowed = f"{ALL} only beside other environments, e.g. environment=[here,jax]; else {', '.join(mode_names())}"
        raise ConfigError(KEY, ALL, allowed)
    known_words(KEY, given, mode_words(environments))
    if ALL in given and len(set(given)) > 1:
        raise ConfigError(KEY, f"[{','.join(given)}]", f"[{ALL}] by itself, or names of modes")


def modes_in(given: Sequence[str], environment: Environment) -> tuple[str, ...]:
    """Each once, in order; of `all` those that its framework has under a driver."""
    if ALL in given:
        return framework_of(environment.framework).modes
    return tuple(dict.fromkeys(given))


def lacking(mode: str, environment: Environment) -> str | None:
    """Why an environment's framework has no such mode; None where it has."""
    framework = framework_of(environment.framework)
    if mode in framework.modes:
        return None
    near = nearest(mode, framework.modes)
    known = ", ".join(framework.modes) + (f" (the nearest: {near})" if near else "")
    return f"where environments are swept, {framework.title}'s modes are {known}"


def said_of(point: Point, framework: str = TORCH) -> Said:
    if framework == TORCH:
        mode = get_mode(point.mode) if point.mode in mode_names() else None
        needs, holds = (mode.needs_python, mode.holds_lock) if mode else (True, True)
        return Said(STYLE_OF_TORCH.get(point.mode, ""), needs, holds)
    way = framework_of(framework).way(point.mode)
    # A mode that it lacks has a row all the same, which says no more than that.
    return Said(way.style, way.needs_python, way.needs_python) if way else Said("", True, True)
