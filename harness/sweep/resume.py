"""Going on with a run: what of it is done, and what to type.

In: a run directory and a Config. Out: a Tally, a command. Must not know how anything is measured.
"""

from __future__ import annotations

import shlex
from pathlib import Path

from harness.analysis.run import load_run
from harness.plan.config import Config
from harness.plan.executed import as_written, executed
from harness.records.raw import RAW
from harness.sweep.tally import Tally


def tally_of(path: Path) -> Tally:
    """What a run directory has of each point already."""
    return Tally.of(load_run(path).points) if (path / RAW).is_dir() else Tally()


def resume_command(path: Path, config: Config) -> str:
    """What to type to go on. What a run directory has executed must be named again."""
    named = [shlex.quote(as_written(key, values)) for key, values in executed(config).items() if values]
    return " ".join(["harness sweep", shlex.quote(f"resume={path}"), *named])
