"""The command `harness report`: CSV, figures and page of runs, anew.

In: arguments. Out: files, a summary on the terminal, an exit status. Must not know how anything is written. What
reports is imported when it reports.
"""

from __future__ import annotations

import shlex
from pathlib import Path

from harness.commands.shared.given import given_run
from harness.core.errors import HarnessError


def report(directories: list[Path], out: Path | None, all_figures: bool) -> int:
    """out: where to; None: the run itself, for several a new folder beside the first. Answers the exit status."""
    from rich.console import Console

    from harness.report.failures import tell_failed
    from harness.report.terminal import print_summary
    from harness.report.write import write_report

    runs = [given_run(directory) for directory in directories]
    aside = out is not None or len(directories) > 1
    try:
        if out is None:
            out = directories[0] if len(directories) == 1 else _beside(directories[0])
        paths = write_report(runs, out, all_figures=all_figures)
    except OSError as error:
        where = out or directories[0].parent
        raise HarnessError(f"--out={where}: cannot be written: {error.strerror or error}") from error
    print_summary(Console(), runs, paths)
    named = [*map(str, directories), "--out", str(out)]
    return tell_failed(paths.failed, shlex.join(["harness", "report", *(named if aside else named[:1])]))


def _beside(run: Path) -> Path:
    """A new folder: two reports may be asked for in one second."""
    from datetime import datetime, timezone

    from harness.records.files import reserved

    stamp = datetime.now(timezone.utc).strftime("report-%Y%m%dT%H%M%SZ")
    return reserved(run.resolve().parent / stamp)
