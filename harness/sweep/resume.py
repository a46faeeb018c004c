"""Going on with a run: what of it is done, and what to type.

In: a run directory and a Config. Out: a Tally, a command. Must not know how anything is measured.
"""

from __future__ import annotations

import shlex
from pathlib import Path

from harness.analysis.run import load_run
from harness.plan.config import Config
from harness.plan.executed import as_written, executed
from harness.plan.inventory import Inventory
from harness.plan.points import Plan
from harness.records.raw import RAW
from harness.sweep.announce import planned_records
from harness.sweep.tally import Tally


def tally_of(path: Path, plan: Plan, inventory: Inventory) -> Tally:
    """What a run directory has of each point of the plan already, also where the record of it is lost."""
    if not (path / RAW).is_dir():
        return Tally()
    return Tally.of(load_run(path, planned_records(plan, inventory)))


def resume_command(path: Path, config: Config) -> str:
    """What to type to go on. What a run directory has executed must be named again."""
    named = [shlex.quote(as_written(key, values)) for key, values in executed(config).items() if values]
    return " ".join(["harness sweep", shlex.quote(f"resume={path}"), *named])
