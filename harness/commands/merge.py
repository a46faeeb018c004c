"""The command `harness merge`: one run from those of a sweep's shards, and its report.

In: arguments. Out: a run directory, its report, an exit status. Must not know how runs are merged.
"""

from __future__ import annotations

import shlex
from pathlib import Path

from rich.console import Console

from harness.analysis.run import load_run
from harness.commands.shared.parser import Parser
from harness.core.errors import HarnessError
from harness.records.merge import merge


def main(arguments: list[str]) -> int:
    """`harness merge SHARD... --out DIR`. Answers the exit status: 1 where shards are missing."""
    from harness.report.failures import tell_failed
    from harness.report.terminal import print_summary
    from harness.report.write import write_report

    parser = Parser(
        prog="harness merge",
        description="Merge the run directories of a sweep's shards, and report the whole.",
    )
    parser.add_argument("shard", nargs="+", type=Path, metavar="SHARD", help="run directory of shard=i/n")
    parser.add_argument("--out", type=Path, required=True, help="run directory to make, or to make anew")
    parsed = parser.parse_args(arguments)
    try:
        complete = merge(parsed.shard, parsed.out)
        run = load_run(parsed.out)
        paths = write_report([run], parsed.out)
    except OSError as error:
        raise HarnessError(f"--out={parsed.out}: cannot be written: {error}") from error
    print_summary(Console(), [run], paths)
    failed = tell_failed(paths.failed, shlex.join(["harness", "report", str(parsed.out)]))
    # Points of a missing shard have no row: what is partial must not pass for done, to a script least of all.
    return failed if complete else 1
