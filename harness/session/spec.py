"""The file that tells the ranks of one session what to measure.

In: cells and options of a plan. Out: a JSON file, and the same values read back on the other side.
Must not know torch, nor how the ranks are started.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from harness.environments.document import Environment
from harness.plan.config import TimingConfig
from harness.plan.points import Cell, Point


@dataclass(frozen=True)
class SessionSpec:
    """One session as its ranks see it.

    id: names its files. draw: a random number, by which its processes, orders and places differ from those of any other
    session. nulls: ids of cells that hold a second build of the reference mode. controller, devices: who issues to how
    many devices, of all ranks. store: file where the ranks meet; None where they do so in torchrun's store. threads:
    intra-op threads per rank. affinity: pin ranks to cores. usage: record CPU time around blocks. memory: whether the
    memory of each mode's step is looked at. window_s: seconds for which each point is held for samplers. serialise:
    whether drivers save and load each mode. search: folders in which modules are looked for last. revision: of the
    harness that made it (harness.core.files.revision), which alone may measure it. source: the commit it lies in, with
    + where it was changed since; empty where that is not known. environments: of the session's points, each measured by
    a driver; () where there is only the rank's own. timeout_s: of a driver's answer.
    """

    id: str
    draw: int
    cells: tuple[Cell, ...]
    nulls: tuple[str, ...]
    controller: str
    devices: int
    device_kind: str
    threads: int
    affinity: bool
    usage: bool
    window_s: float
    seed: int
    timing: TimingConfig
    plugins: tuple[str, ...]
    raw: Path
    store: Path | None
    revision: str
    source: str = ""
    memory: bool = False
    serialise: bool = False
    search: tuple[str, ...] = ()
    environments: tuple[Environment, ...] = ()
    timeout_s: float = 120.0

    def save(self, path: Path) -> None:
        """Write as JSON."""
        plain = asdict(self)
        plain["raw"], plain["store"] = _in_utf8(self.raw), self.store and _in_utf8(self.store)
        path.write_text(json.dumps(plain, indent=1), encoding="utf-8")

    @staticmethod
    def load(path: Path) -> SessionSpec:
        """Read back what save wrote. Raises OSError, ValueError, KeyError or TypeError if it is no such file."""
        plain = json.loads(path.read_text(encoding="utf-8"))
        plain["cells"] = tuple(
            Cell(tuple(Point.from_dict(point) for point in cell["points"])) for cell in plain["cells"]
        )
        plain["nulls"] = tuple(plain["nulls"])
        plain["timing"] = TimingConfig(**plain["timing"])
        plain["plugins"], plain["search"] = tuple(plain["plugins"]), tuple(plain["search"])
        plain["environments"] = tuple(
            Environment(
                **{
                    **each,
                    "requirements": tuple(each["requirements"]),
                    **{name: tuple(each.get(name, ())) for name in ("build_requires", "stand_ins", "within")},
                }
            )
            for each in plain["environments"]
        )
        plain["raw"], plain["store"] = Path(plain["raw"]), plain["store"] and Path(plain["store"])
        return SessionSpec(**plain)


def _in_utf8(path: Path) -> str:
    """As who reads it sees the path, in UTF-8, whatever the locale is here."""
    return os.fsencode(path).decode("utf-8", "surrogateescape")
