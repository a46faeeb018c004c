"""The command `harness history RESULTS`: every point over all runs below a folder, and where it changed.

In: arguments. Out: changes on the terminal, a folder with all of it. Must not know how changes are found.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from harness.commands.shared.parser import Parser
from harness.core.errors import HarnessError

DESCRIPTION = """Every point over all runs below a folder: its step time in each, where it changed, and which versions
(torch, Python, harness, driver) changed with it. docs/history.md"""
TABLE, CHANGES, PAGE, SVG, PNG = "history.csv", "changes.csv", "history.html", "history.svg", "history.png"
FILES = (TABLE, CHANGES, PAGE, SVG, PNG)


def main(arguments: list[str]) -> int:
    """Answers the exit status; raises HarnessError for refusals."""
    given = _parser().parse_args(arguments)
    from harness.core.files.made import Made
    from harness.history.changes import changes_of
    from harness.history.drawing import draw
    from harness.history.found import runs_below
    from harness.history.lines import lines_of
    from harness.history.shown import History
    from harness.records.files import default_path, reserved

    try:
        if given.out is not None:
            Made(given.out).check(*FILES)
        found = runs_below(given.results)
        lines = lines_of(found.sides)
        history = History(
            given.results.name or "results", tuple(lines), tuple(changes_of(lines)), found.left_out
        )
        print(history.as_text())
        folder = given.out if given.out is not None else reserved(default_path("history"))
        made = Made(folder)
        made.claim(*FILES)
        made.write_text(TABLE, history.as_csv())
        made.write_text(CHANGES, history.changes_as_csv())
        svg = draw(history, "svg")
        made.write(SVG, svg)
        made.write(PNG, draw(history, "png"))
        made.write_text(PAGE, history.as_html(svg))
    except OSError as error:
        where = given.out or "the folder for the result"
        raise HarnessError(f"--out={where}: cannot be written: {error.strerror or error}") from error
    print(folder)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="harness history", description=DESCRIPTION)
    parser.add_argument(
        "results", type=Path, metavar="RESULTS", help="a folder with run directories at any depth"
    )
    parser.add_argument("--out", type=Path, help="folder to write to (default results/history/<UTC time>)")
    return parser
