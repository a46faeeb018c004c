"""What a sweep leaves behind in the end: its report, or on the way out at least its table.

In: a run directory. Out: files in it, and the exit status. Must not know how anything was measured.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

from rich.console import Console

from harness.analysis.noise import between_sessions
from harness.analysis.run import load_run
from harness.core import schema
from harness.core.errors import HarnessError
from harness.core.files.made import Made
from harness.machine.spreads import keep_sweep


def report(path: Path, console: Console) -> int:
    """Analyse a run, write its report, and print the summary. Answers the exit status."""
    from harness.report import print_summary, write_report

    run = load_run(path)
    try:
        paths = write_report([run], path)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        raise HarnessError(
            f"{path}: the report cannot be written: {where}{error.strerror or error}; what was measured is kept: "
            f"harness report {path}"
        ) from error
    print_summary(console, [run], paths)
    keep_sweep(run.environment, between_sessions(run.points), run.speeds)
    status = run.points["status"]
    tried = status[status != schema.UNSUPPORTED]
    return 1 if len(tried) and not (tried == schema.OK).any() else 0


def save_points(path: Path) -> None:
    """Write points.csv from what is there, on the way out."""
    from harness.report import write_csv

    with contextlib.suppress(OSError, HarnessError):
        write_csv(load_run(path).points, Made(path, adopt=True))
