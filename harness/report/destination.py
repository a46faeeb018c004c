"""Where a report may be written to.

In: the runs that it is on, the folder that the user has named. Out: a Made, whose names are all ours to take;
ConfigError where they are not. Must not know what is written.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from harness.analysis.run import Run
from harness.core.errors import ConfigError
from harness.core.files import beneath
from harness.core.files.made import Made


def destination(runs: Sequence[Run], out: Path, *names: str) -> Made:
    """The folder `out`, for files and folders of these names.

    Raises ConfigError where one of them is there and not of our making, and for the directory of another run: its page
    must not tell of this one.
    """
    own = len(runs) == 1 and out.resolve() == runs[0].directory.resolve()
    if not own and beneath.exists(out, "raw"):
        raise ConfigError(
            "--out", out, "a folder that is no run directory, or the directory of the one run reported on"
        )
    made = Made(out, "--out", adopt=own)
    made.claim(*names)
    return made
