"""One run of a comparison: a run directory, or its points.csv alone.

In: a path that may be anybody's. Out: a Side, or ConfigError. Must not know what it is compared with.
"""

from __future__ import annotations

import io
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from harness.analysis.by_session import SPEEDUP, STEP, BySession
from harness.analysis.run import Run, load_run
from harness.compare.facts import facts_of
from harness.core import schema
from harness.core.axes import DEFAULTS, ENVIRONMENT, MODE
from harness.core.errors import ConfigError
from harness.core.files import beneath
from harness.core.schema import OK, REFERENCE_MODE
from harness.core.stats.intervals import Error, t_quantile
from harness.core.stats.spread import ASSUMED_DRIFT, Spread
from harness.report.table.formats import one_line
from harness.report.table.tidy import tidy

# points.csv of 50,000 points has some 30 MB, and 80 columns.
LARGEST_CSV, MOST_COLUMNS = 2**26, 1000
# What an interval is known by that stands in a table, where it was borrowed of earlier sweeps: one of five sessions, as
# conf/timing/normal.yaml has it.
_BORROWED_DOF = 4


@dataclass(frozen=True)
class Side:
    """label: what it is called. points: the tidy table, a row a point. facts: name -> what its machine, versions and
    settings were. alarm: what must be known before anything of it is read. began: UTC, ISO 8601; "" where unknown.
    by_session: point key -> what each session found; empty where there is points.csv alone."""

    label: str
    points: pd.DataFrame
    facts: Mapping[str, str] = field(default_factory=dict)
    by_session: Mapping[str, BySession] = field(default_factory=dict)
    alarm: str = ""
    began: str = ""

    @property
    def is_whole(self) -> bool:
        """Whether its sessions are known, and not only what they say together."""
        return bool(self.by_session)

    @property
    def is_driven(self) -> bool:
        """Whether it has other environments than `here`: then small drivers measured all of it, and not ranks
        (docs/environments.md). What is around a step differs: under train DistributedDataParallel is in one alone."""
        return bool((self.points[ENVIRONMENT] != DEFAULTS[ENVIRONMENT]).any())

    def rows(self) -> dict[str, dict[str, object]]:
        """Point key -> its row."""
        return {str(row["key"]): dict(row) for row in self.points.to_dict("records")}

    def speedup(self, row: Mapping[str, object]) -> Error | None:
        """Over the reference mode, of the same rounds; None for the reference itself and where there is none."""
        if row[MODE] == REFERENCE_MODE or row["status"] != OK:
            return None
        found = self.by_session.get(str(row["key"]))
        return found.error(SPEEDUP) if found else printed(row, SPEEDUP)

    def step(self, row: Mapping[str, object]) -> Error | None:
        """Its step time, us, with what sweeps of one machine drift by."""
        found = self.by_session.get(str(row["key"]))
        return found.error_beside_sweeps(STEP) if found else printed(row, STEP)

    @property
    def drift(self) -> Spread:
        """What sweeps of its machine differ by beyond their own sessions; assumed where nothing is known."""
        known = (each.earlier.drift for each in self.by_session.values())
        return next((each for each in known if each is not None), ASSUMED_DRIFT)


def side_of(key: str, path: Path) -> Side:
    """key: A, B, ... for messages. Raises ConfigError for what is neither, or cannot be read."""
    if path.is_dir():
        try:
            return side_of_run(load_run(path))
        except OSError as error:
            raise _refused(key, path, error) from None
        except ConfigError as error:
            raise ConfigError(key, path, error.allowed) from None
    return side_of_table(key, path)


def side_of_run(run: Run) -> Side:
    points = tidy(run.points)
    return Side(
        one_line(run.label, 80) or "run",
        points,
        facts_of(run.environment, points),
        run.by_session,
        one_line(run.alarm, 400),
        one_line(run.began, 40),
    )


def side_of_table(key: str, path: Path) -> Side:
    """Of points.csv alone."""
    try:
        content = beneath.read(path.parent, path.name, LARGEST_CSV)
        if content.partition(b"\n")[0].count(b",") > MOST_COLUMNS:
            raise ValueError(f"more than {MOST_COLUMNS} columns")
        table = pd.read_csv(
            io.BytesIO(content), dtype=str, keep_default_na=False, encoding_errors="replace", index_col=False
        )
    except (OSError, ValueError) as error:  # pandas' own are ValueErrors
        raise _refused(key, path, error) from None
    missing = [name for name in ("key", MODE, "status", STEP) if name not in table.columns]
    if missing:
        raise ConfigError(key, path, f"a run directory or its points.csv (no column {missing[0]} here)")
    if table["key"].duplicated().any():
        raise ConfigError(key, path, "a points.csv of one run (a key stands there twice)")
    points = tidy(table[[name for name in table.columns if name in schema.COLUMNS]])
    folder = path.absolute().parent
    return Side(one_line(f"{folder.name}/{path.name}", 80), points, facts_of({}, points))


def printed(row: Mapping[str, object], figure: str) -> Error | None:
    """The error that an interval in a table was made of."""
    value, low, high = (_number(row[name]) for name in (figure, *schema.ends(figure)))
    if not value > 0:
        return None
    if not 0 < low <= high:
        return Error(value, float("nan"), 0)
    sessions = _number(row["sessions"])
    dof = max(sessions - 1, 1.0) if sessions > 1 else float(_BORROWED_DOF)
    return Error(value, math.log(high / low) / 2 / t_quantile(dof), dof)


def _number(value: object) -> float:
    return float(value) if isinstance(value, (int, float)) else float("nan")


def _refused(key: str, path: Path, error: Exception) -> ConfigError:
    why = error.strerror if isinstance(error, OSError) and error.strerror else one_line(str(error), 100)
    return ConfigError(key, path, f"a run directory or its points.csv that can be read ({why.lower()})")
