"""Callables by name, and calls with those arguments that a callable takes.

In: `package.module:name` or `package.module.name`. Out: the object, or LookupError in one line. Must not know what is
looked for.
"""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Callable, Mapping
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from typing import Any


class _Last(MetaPathFinder):
    """Finds modules of one folder."""

    def __init__(self, folder: str) -> None:
        self.folder = folder

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        return PathFinder.find_spec(fullname, [self.folder]) if path is None else None


def search_also(folder: str) -> None:
    """Look for modules in a folder too, after all that is on the path already: what lies there hides nothing.

    Not by the path itself: children of libraries get that (inductor's, as PYTHONPATH), and each of them would begin
    with a sitecustomize.py that lies there."""
    if not any(isinstance(each, _Last) and each.folder == folder for each in sys.meta_path):
        sys.meta_path.append(_Last(folder))


def split_name(name: str) -> tuple[str, str]:
    """Module and name within it. Raises LookupError for what has not both."""
    module, colon, inner = name.partition(":")
    if not colon:
        module, _, inner = name.rpartition(".")
    if not all(part.isidentifier() for text in (module, inner) for part in text.split(".")):
        raise LookupError("a name such as package.module:name")
    return module, inner


def find(name: str) -> Callable[..., Any]:
    """Import a module and look its callable up. Raises LookupError with what is wrong; a module may do anything."""
    module_name, inner = split_name(name)
    try:
        found: Any = importlib.import_module(module_name)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        where = f" (looked for in {Path.cwd()} last)" if isinstance(error, ModuleNotFoundError) else ""
        said = (str(error).splitlines() or [""])[0]
        raise LookupError(f"an importable module ({type(error).__name__}: {said}){where}") from error
    for part in inner.split("."):
        try:
            found = getattr(found, part)
        except AttributeError:
            raise LookupError(f"a name that {module_name} has (it has no {inner})") from None
    if not callable(found):
        raise LookupError(f"a callable (a {type(found).__name__} stands there)")
    result: Callable[..., Any] = found
    return result


def taken(function: Callable[..., Any], arguments: Mapping[str, Any], positional: int = 0) -> dict[str, Any]:
    """Those of the arguments that a function takes by name, after so many positional ones: all of them where it takes
    any keyword or does not say what it takes."""
    parameters = _parameters(function)
    if parameters is None or any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters):
        return dict(arguments)
    by_name = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    names = {p.name for p in parameters[positional:] if p.kind in by_name}
    return {name: value for name, value in arguments.items() if name in names}


def lacking(function: Callable[..., Any], arguments: Mapping[str, Any], positional: int = 0) -> list[str]:
    """Parameters without a default that the arguments do not hold."""
    parameters = _parameters(function) or []
    variadic = (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)
    return [
        p.name
        for p in parameters[positional:]
        if p.kind not in variadic and p.default is inspect.Parameter.empty and p.name not in arguments
    ]


def names_of(function: Callable[..., Any], positional: int = 0) -> list[str] | None:
    """Of the parameters that it takes by name; None where it takes any."""
    parameters = _parameters(function)
    if parameters is None or any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters):
        return None
    return [p.name for p in parameters[positional:] if p.kind is not inspect.Parameter.VAR_POSITIONAL]


def _parameters(function: Callable[..., Any]) -> list[inspect.Parameter] | None:
    try:
        return list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):  # of C, without a signature
        return None
