"""Going on with a run: what of it is done, and what to type.

In: a run directory and a Config. Out: keys of finished points, a command. Must not know how anything is measured.
"""

from __future__ import annotations

import shlex
from pathlib import Path

from harness.analysis.run import load_run
from harness.core import schema
from harness.plan.config import Config
from harness.plan.executed import as_written, executed
from harness.records.raw import RAW


def done(path: Path) -> set[str]:
    """Keys of points that have their final row already."""
    if not (path / RAW).is_dir():
        return set()
    points = load_run(path).points
    return set(points.loc[points["status"].isin(schema.FINAL_STATUSES), "key"])


def resume_command(path: Path, config: Config) -> str:
    """What to type to go on. What a run directory has executed must be named again."""
    named = [shlex.quote(as_written(key, values)) for key, values in executed(config).items() if values]
    return " ".join(["harness sweep", shlex.quote(f"resume={path}"), *named])
