"""What a sweep leaves behind in the end: its report, or on the way out at least its table.

In: a run directory. Out: files in it, and the exit status. Must not know how anything was measured.
"""

from __future__ import annotations

import contextlib
import shlex
from pathlib import Path

from rich.console import Console

from harness.analysis.run import load_run
from harness.core import schema
from harness.core.errors import HarnessError
from harness.core.files.made import Made
from harness.core.processes.interrupt import Interrupted
from harness.machine.spreads import keep_sweep


def report(path: Path, console: Console) -> int:
    """Analyse a run, write its report, and print the summary. Answers the exit status."""
    from harness.report.failures import tell_failed
    from harness.report.terminal import print_summary
    from harness.report.write import write_report

    again = shlex.join(["harness", "report", str(path)])
    try:
        run = load_run(path)
        paths = write_report([run], path)
        print_summary(console, [run], paths)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        raise HarnessError(
            f"{path}: the report cannot be written: {where}{error.strerror or error}; "
            f"what was measured is kept: {again}"
        ) from error
    except Interrupted as signal:
        signal.kept = f"what was measured is kept: {again} writes its report"
        raise
    keep_sweep(run.environment, run.spreads, run.speeds)
    status = run.points["status"]
    tried = status[status != schema.UNSUPPORTED]
    failed = tell_failed(paths.failed, again)
    return 1 if len(tried) and not (tried == schema.OK).any() else failed


def save_points(path: Path) -> None:
    """Write points.csv from what is there, on the way out."""
    from harness.report.csvfile import write_csv

    with contextlib.suppress(OSError, HarnessError):
        write_csv(load_run(path).points, Made(path, adopt=True))
