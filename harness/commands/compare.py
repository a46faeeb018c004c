"""The command `harness compare A B [C...]`: which points changed from one run to another, and whether that is shown.

In: arguments. Out: a verdict on the terminal, a folder with all of it, an exit status for CI. Must not know how
anything is compared.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from harness.commands.shared.parser import Parser
from harness.core.errors import ConfigError, HarnessError, UsageError
from harness.core.stats.verdicts import FASTER, SAME, SLOWER, UNDECIDED

DESCRIPTION = """Which points changed from run A to run B? Each point of both with the ratio of its speeds, an interval,
and a verdict that is corrected for the number of points. docs/compare.md"""
EPILOG = """\
A, B, ... are run directories, or the points.csv of one. All are compared with A.

examples:
  harness compare results/dispatch/20260101T120000Z results/dispatch/20260102T120000Z
  harness compare baseline/points.csv results/dispatch/20260102T120000Z --fail-on slower
  harness compare v100 h100 --across-machines

exit status: 0 done; 1 a verdict of --fail-on, or nothing could be compared; 2 refused; 128 + n ended by signal n
"""
VERDICTS = (FASTER, SLOWER, SAME, UNDECIDED)
MOST_RUNS = 26


def main(arguments: list[str]) -> int:
    """Answers the exit status; raises HarnessError for refusals."""
    given = _parser().parse_args(arguments)
    verdicts = _fail_on(given.fail_on)
    if not 2 <= len(given.run) <= MOST_RUNS:
        raise UsageError(f"{len(given.run)} runs: from 2 to {MOST_RUNS}; harness compare --help tells more")
    if verdicts and given.across_machines:
        raise UsageError("--fail-on is of a change, --across-machines of machines: one of both")
    from harness.compare.compared import compared, letter
    from harness.compare.shown.files import all_files, write
    from harness.compare.shown.text import as_text
    from harness.compare.side import side_of
    from harness.core.files.made import Made
    from harness.records.files import default_path, reserved

    try:
        if given.out is not None:
            Made(given.out).check(*all_files(len(given.run) - 1))
        sides = [side_of(letter(number), path) for number, path in enumerate(given.run)]
        found = compared(sides, across_machines=given.across_machines)
        print(as_text(found))
        sys.stdout.flush()
        folder = given.out if given.out is not None else reserved(default_path("compare"))
        write(found, folder)
    except OSError as error:
        where = given.out or "the folder for the result"
        raise HarnessError(f"--out={where}: cannot be written: {error.strerror or error}") from error
    print(folder)
    nothing = any(not each.rows for each in found)
    return 1 if nothing or any(word in verdicts for each in found for word in each.all_verdicts) else 0


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="harness compare",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "run", nargs="+", type=Path, metavar="RUN", help="a run directory or a points.csv; A first"
    )
    parser.add_argument(
        "--fail-on",
        default="",
        metavar="VERDICTS",
        help=f"exit status 1 where a point, or all together, has one of these ({', '.join(VERDICTS)})",
    )
    parser.add_argument(
        "--across-machines",
        action="store_true",
        help="show runs of different machines beside each other: step times of machines, and no change",
    )
    parser.add_argument("--out", type=Path, help="folder to write to (default results/compare/<UTC time>)")
    return parser


def _fail_on(text: str) -> list[str]:
    from harness.plan.allowed.nearest import with_nearest

    words = [word for word in text.split(",") if word]
    for word in words:
        if word not in VERDICTS:
            raise ConfigError("--fail-on", word, with_nearest(word, VERDICTS))
    return words
