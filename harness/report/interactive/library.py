"""The script of Vega, which draws in the page; taken out of the wheel of vl-convert, and kept.

In: the installed vl-convert. Out: JavaScript that needs nothing else, or why there is none. Must not know what is
drawn.

Taking it out starts a JavaScript engine and needs seconds: a process of its own does it, once for each version, so that
this one stays free of the engine's threads (harness.core.processes.parallel forks).
"""

from __future__ import annotations

import os
import subprocess
import sys
from functools import cache
from importlib import metadata
from pathlib import Path

from ground.builds import ForeignBuild, cache_folder, is_complete, keep_build
from ground.children import ask
from harness.core.files import beneath
from harness.core.files.places import CHECKOUT
from harness.core.processes.children import path_variables, python_module

WHEEL = "vl-convert-python"
SCRIPT = "vega.js"
# The bundle has 0.9 MB; an engine that was given no time hangs.
MOST_BYTES, TIMEOUT_S = 4_000_000, 120.0
# What the page's own script calls: Vega-Embed brings the interpreter of expressions, without which a page would have
# to allow `eval`.
SNIPPET = "window.vegaEmbed = vegaEmbed;"


class NoLibrary(Exception):
    """Why there is no script, in one line."""


@cache
def library() -> str:
    """The script. Raises NoLibrary where it cannot be had: then a page does without."""
    try:
        version = metadata.version(WHEEL)
    except metadata.PackageNotFoundError:
        raise NoLibrary(f"{WHEEL} is not installed") from None
    try:
        folder = cache_folder(CHECKOUT) / f"vega-{version}"
        if not is_complete(folder):
            keep_build(folder, _take_out, lambda: None)
        text = beneath.read(folder, SCRIPT, MOST_BYTES).decode("utf-8")
    except (OSError, UnicodeDecodeError, ForeignBuild, subprocess.TimeoutExpired) as error:
        raise NoLibrary(f"{type(error).__name__}: {error}") from None
    if not is_safe(text):
        raise NoLibrary(f"{SCRIPT} of {WHEEL} {version} cannot stand in a page")
    return text


def is_safe(script: str) -> bool:
    """Whether a script may stand between two tags: nothing in it ends it early, nor is changed when it is parsed."""
    small = script.lower()
    return bool(script) and not any(bad in small for bad in ("</script", "<!--", "\r", "\0"))


def _take_out(folder: Path) -> None:
    done = ask(
        python_module(__name__, str(folder / SCRIPT)),
        variables={**os.environ, **path_variables()},
        timeout_s=TIMEOUT_S,
    )
    if done.returncode != 0:
        said = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise OSError(f"{WHEEL} gave no script: {said[:200]}")


def main(file: str) -> None:
    """What the process of its own does."""
    import vl_convert

    Path(file).write_text(vl_convert.javascript_bundle(SNIPPET), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1])
