"""Does a worker report what others find: Timer within it on the same callable, and a plain script in fresh processes?

Models of odd sizes, drawn anew each time, each in several sessions. In a session every block of a worker takes turns
with as many steps of Timer and, on one rank, with as many of the script, which was started with it, and builds and
times the model as its users do. Under train two ranks have DistributedDataParallel over gloo, and the script runs
before or after the session, alone: ranks that slept while others took turns would be slow when they are woken. The
script that is judged sets threads and pins its main thread as a worker does; beside it stands one that does not pin.
Run: python -m benchmarks.fidelity
"""

from __future__ import annotations

import json
import os
import random
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.beside import alone, turns
from benchmarks.beside.agreement import mean_of, outside_both
from benchmarks.common import parser, save, verdict
from benchmarks.on_disk import lines_of
from benchmarks.sweeps import listed, run_sweep, timing
from harness.analysis.run import load_run
from harness.plan.config import Config
from harness.plan.inventory import Inventory
from harness.plan.layout import make_plan
from harness.plan.points import Point
from harness.timing.blocks import time_block

MODES = ("eager", "script")
MEDIAN_LIMIT, OUTSIDE_LIMIT = 0.015, 0.03
EMPTY_STEP_US = 0.2
# Of a session: starting it costs more than they do.
ROUNDS = 96
# Of three models one is trained, on two ranks.
TRAINED_OF, RANKS = 3, 2


@dataclass(frozen=True)
class Effort:
    """Of each model. timing: conf/timing of the sessions. lead, blocks: of scripts that run alone."""

    processes: int
    timing: str
    lead: int = alone.LEAD
    blocks: int = alone.BLOCKS


@dataclass(frozen=True)
class Model:
    """What is measured. ranks: more than one where it is trained."""

    depth: int
    width: int
    batch: int
    workload: str

    @property
    def ranks(self) -> int:
        return RANKS if self.workload == "train" else 1

    @property
    def config(self) -> Config:
        return Config(
            depth=[self.depth],
            width=[self.width],
            batch=[self.batch],
            mode=list(MODES),
            devices=[self.ranks],
            workload=[self.workload],
        )

    @property
    def points(self) -> tuple[Point, ...]:
        """One a mode, as the plan of the harness has them."""
        return tuple(make_plan(self.config, Inventory("cpu", self.ranks, "", self.ranks)).points)

    def overrides(self) -> list[str]:
        axes = ("depth", "width", "batch", "devices", "workload", "mode")
        return [f"{name}={listed(getattr(self.config, name))}" for name in axes]


def main() -> int:
    """Answers the exit status: 0 if all limits are met."""
    options = parser(__doc__)
    options.add_argument("--models", type=int, default=12, help="models drawn (default 12)")
    options.add_argument(
        "--processes", type=int, default=5, help="sessions of each, with fresh scripts (default 5)"
    )
    options.add_argument(
        "--seed", type=int, default=int(time.time()), help="of sizes and seeds (default: the time)"
    )
    options.add_argument("--timing", default="normal", help="conf/timing of the sessions (default normal)")
    options.add_argument("--quick", action="store_true", help="one model once: tries the benchmark")
    arguments = options.parse_args()
    effort = Effort(arguments.processes, arguments.timing)
    if arguments.quick:
        arguments.models, effort = 1, Effort(1, "quick", lead=50, blocks=20)
    print(f"seed {arguments.seed}", flush=True)
    source = random.Random(arguments.seed)
    rows: list[dict[str, Any]] = []
    for model in drawn_models(source, arguments.models, trained_of=1 if arguments.quick else TRAINED_OF):
        rows += _compared(model, effort, source)
        print(
            model, *(f"{row['mode']}: {row['from_script']:+.2%}" for row in rows[-len(MODES) :]), flush=True
        )
    return 0 if _judged(save(rows, arguments.out, "fidelity")) else 1


def drawn_models(source: random.Random, count: int, trained_of: int = TRAINED_OF) -> Iterator[Model]:
    """Odd sizes, none of which a kernel is made for; evenly over orders of magnitude, and small where it is trained."""

    def odd(least: int, most: int) -> int:
        size: float = least * (most / least) ** source.random()
        return round(size) | 1

    for number in range(count):
        if number % trained_of == trained_of - 1:
            yield Model(odd(3, 25), odd(33, 200), odd(1, 64), "train")
        else:
            yield Model(odd(3, 75), odd(33, 400), odd(1, 200), "forward")


def _compared(model: Model, effort: Effort, source: random.Random) -> Iterator[dict[str, Any]]:
    """All ways of timing a model, in so many sessions of it, a row a mode."""
    found: dict[tuple[str, str], list[float]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as name:
        for repeat in range(effort.processes):
            seed = source.randrange(1000)
            for place, value in _by_session(model, Path(name) / str(repeat), effort, seed):
                found[place].append(value)
    for mode in MODES:
        ours, theirs = mean_of(found["harness", mode]), mean_of(found["script_us", mode])
        loose = found.get(("unpinned_us", mode))
        yield {
            "depth": model.depth,
            "width": model.width,
            "batch": model.batch,
            "workload": model.workload,
            "mode": mode,
            "harness_us": ours.value,
            "harness_low": ours.low,
            "harness_high": ours.high,
            "script_us": theirs.value,
            "script_low": theirs.low,
            "script_high": theirs.high,
            "unpinned_us": mean_of(loose).value if loose else float("nan"),
            "from_script": mean_of(found["over script_us", mode]).value - 1,
            "outside_both": outside_both(ours, theirs),
            "from_timer": mean_of(found["over timer_us", mode]).value - 1,
        }


def _by_session(
    model: Model, folder: Path, effort: Effort, seed: int
) -> Iterator[tuple[tuple[str, str], float]]:
    """(what, mode) -> its value in a session: step times in us as the harness reports them and as others found them,
    and the harness's over those, paired within rounds."""
    beside = folder / "beside"
    beside.mkdir(parents=True)
    overrides = [*model.overrides(), "device=cpu", "monitor=none", "plugins=[benchmarks.beside.turns]"]
    overrides += timing(effort.timing, sessions=1, max_sessions=1, max_cell_s=60, null_every=0, rounds=ROUNDS)
    scripts = _scripts_alone(model, effort) if seed % 2 else {}
    with _on_one_core(model.ranks, seed):
        run = run_sweep(folder / "run", [*overrides, f"seed={seed}"], {turns.FOLDER: str(beside)})
    scripts = scripts or _scripts_alone(model, effort)
    points = load_run(run).points.set_index("mode")
    if not (points["status"] == "ok").all():
        raise SystemExit(f"not measured: {points[['status', 'error']].to_string()}")
    raw, others = lines_of(run), lines_beside(beside)
    for mode in MODES:
        table = beside_blocks(raw, others, str(points.loc[mode, "key"]))
        ours = float(points.loc[mode, "step_us"])
        yield ("harness", mode), ours
        for name in table.columns.drop("harness_us"):
            yield (name, mode), float(table[name].median())
            yield (f"over {name}", mode), float((table["harness_us"] / table[name]).median())
        for name, value in scripts.get(mode, {}).items():
            yield (name, mode), value
            yield (f"over {name}", mode), ours / value


def _scripts_alone(model: Model, effort: Effort) -> dict[str, dict[str, float]]:
    """mode -> microseconds a step by the script's name: pinned as a worker is, and not. Of several ranks alone."""
    if model.ranks == 1:
        return {}
    ways = {"script_us": True, "unpinned_us": False}
    return {
        point.mode: {
            name: alone.step_us(point, pinned=pinned, lead=effort.lead, blocks=effort.blocks)
            for name, pinned in ways.items()
        }
        for point in model.points
    }


@contextmanager
def _on_one_core(ranks: int, seed: int) -> Iterator[None]:
    """Within: a single rank, and so the script beside it, are on one core, drawn anew: cores differ while the host of
    this machine has other work for one of them. Several ranks have cores of their own, and the scripts theirs."""
    allowed = sorted(os.sched_getaffinity(0))
    if ranks == 1:
        os.sched_setaffinity(0, [random.Random(seed).choice(allowed)])
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)


def lines_beside(folder: Path) -> dict[tuple[int, int], dict[str, float]]:
    """What the plugin wrote: (rank, start of the block it stands beside) -> microseconds a step, by who found it."""
    found = {}
    for file in folder.glob("rank*-*.jsonl"):
        rank = int(file.name.removeprefix("rank").split("-")[0])
        for line in map(json.loads, file.read_text(encoding="utf-8").splitlines()):
            found[rank, line.pop("start_ns")] = line
    return found


def beside_blocks(
    files: dict[str, list[dict[str, Any]]], others: dict[tuple[int, int], dict[str, float]], key: str
) -> pd.DataFrame:
    """A row a round of that key: microseconds a step by the harness and by each of the others, of each the slowest
    rank's. Warm-up blocks are no rounds."""
    rows = []
    for records in files.values():
        ranks = [record["rank"] for record in records if record["type"] == "session"]
        for record in records:
            for block in record["blocks"] if record["type"] == "round" else ():
                if block["key"] == key:
                    ours = (block["end_ns"] - block["start_ns"]) / block["steps"] / 1e3
                    rows.append(
                        {"round": record["round"], "harness_us": ours, **others[ranks[0], block["start_ns"]]}
                    )
    return pd.DataFrame(rows).groupby("round").max()


def _judged(table: pd.DataFrame) -> bool:
    """Print each figure beside its limit; answers whether all are met."""
    empty_us = statistics.median(time_block(_nothing, 100_000, _nothing).wall_ns / 1e8 for _ in range(15))
    percent = [
        ("median difference from Timer in the worker", table["from_timer"].abs().median(), MEDIAN_LIMIT),
        ("median difference from the plain script", table["from_script"].abs().median(), MEDIAN_LIMIT),
        ("farthest outside both intervals", table["outside_both"].max(), OUTSIDE_LIMIT),
    ]
    met = [verdict(name, value * 100, limit * 100, " %") for name, value, limit in percent]
    trained = table.dropna(subset=["unpinned_us"])
    if len(trained):
        ratio = (trained["unpinned_us"] / trained["script_us"]).median()
        print(f"       script on two ranks, not pinned over pinned: {ratio:.3g}")
    return all([*met, verdict("empty step", empty_us, EMPTY_STEP_US, " us")])


def _nothing() -> None:
    pass


if __name__ == "__main__":
    sys.exit(main())
