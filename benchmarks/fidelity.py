"""Does a worker report what others find: Timer within it on the same callable, and a plain script in fresh processes?

Models of odd sizes, drawn anew each time. Sessions of the harness alternate with processes of the script, which builds
and times the model as its users do, under train on two ranks with DistributedDataParallel over gloo. The script that
is judged sets threads and pins its main thread as a worker does; where that pins anything, one that does not is
printed beside it. Run: python -m benchmarks.fidelity
"""

from __future__ import annotations

import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.beside import script, timer
from benchmarks.beside.agreement import difference, mean_of, outside_both
from benchmarks.common import parser, save, verdict
from benchmarks.on_disk import lines_of
from benchmarks.sweeps import listed, run_sweep, timing
from harness.analysis.run import load_run
from harness.core.cpu import allowed_cores, share_of
from harness.launch.torchrun import session_variables
from harness.plan.config import Config
from harness.plan.inventory import Inventory
from harness.plan.layout import make_plan
from harness.timing.blocks import time_block

MODES = ("eager", "script")
MEDIAN_LIMIT, OUTSIDE_LIMIT = 0.015, 0.03
EMPTY_STEP_US = 0.2
# Of three models one is trained, on two ranks.
TRAINED_OF, RANKS = 3, 2
PROCESS_S = 300

# Answers microseconds a step, or a ratio, by who found it and mode.
Way = Callable[[], dict[tuple[str, str], float]]


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
    def sizes(self) -> tuple[int, ...]:
        """Widths from input to output, as the plan of the harness has them."""
        return make_plan(self.config, Inventory("cpu", self.ranks, "", self.ranks)).points[0].sizes

    def overrides(self) -> list[str]:
        axes = ("depth", "width", "batch", "devices", "workload", "mode")
        return [f"{name}={listed(getattr(self.config, name))}" for name in axes]


def main() -> int:
    """Answers the exit status: 0 if all limits are met."""
    options = parser(__doc__)
    options.add_argument("--models", type=int, default=12, help="models drawn (default 12)")
    options.add_argument("--processes", type=int, default=5, help="sessions and scripts of each (default 5)")
    options.add_argument(
        "--seed", type=int, default=int(time.time()), help="of sizes and order (default: the time)"
    )
    options.add_argument("--timing", default="normal", help="conf/timing of the sessions (default normal)")
    options.add_argument("--quick", action="store_true", help="one model once: tries the benchmark")
    arguments = options.parse_args()
    if arguments.quick:
        arguments.models, arguments.processes, arguments.timing = 1, 1, "quick"
    print(f"seed {arguments.seed}", flush=True)
    source = random.Random(arguments.seed)
    rows: list[dict[str, Any]] = []
    for model in drawn_models(source, arguments.models, trained_of=1 if arguments.quick else TRAINED_OF):
        rows += _compared(model, arguments, source)
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


def _compared(model: Model, arguments: Any, source: random.Random) -> Iterator[dict[str, Any]]:
    """All ways of timing a model, one process or session of each in turn, in an order that is drawn."""
    found: dict[tuple[str, str], list[float]] = defaultdict(list)
    more = ("--blocks", "10", "--warm-up", "0.2") if arguments.quick else ()
    with tempfile.TemporaryDirectory() as name:
        for repeat in range(arguments.processes):
            folder = Path(name) / str(repeat)
            ways: list[Way] = [partial(_by_harness, model, folder, arguments.timing, source.randrange(1000))]
            for mode in MODES:
                ways.append(partial(_by_script, model, mode, folder, pinned=True, more=more))
                if model.ranks > 1:
                    ways.append(partial(_by_script, model, mode, folder, pinned=False, more=more))
            source.shuffle(ways)
            folder.mkdir()
            for way in ways:
                for place, value in way().items():
                    found[place].append(value)
    for mode in MODES:
        ours, theirs = mean_of(found["harness", mode]), mean_of(found["script", mode])
        loose = found.get(("unpinned", mode))
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
            "from_script": difference(ours, theirs),
            "outside_both": outside_both(ours, theirs),
            "from_timer": mean_of(found["timer", mode]).value - 1,
        }


def _by_harness(model: Model, folder: Path, timing_name: str, seed: int) -> dict[tuple[str, str], float]:
    """A session: step times as reported, and over those of Timer in its ranks."""
    beside = folder / "beside"
    beside.mkdir()
    overrides = [*model.overrides(), "device=cpu", "monitor=none", "plugins=[benchmarks.beside.timer]"]
    overrides += [*timing(timing_name, sessions=1, max_sessions=1, max_cell_s=60), f"seed={seed}"]
    run = run_sweep(folder / "run", overrides, {timer.FOLDER: str(beside)})
    points = load_run(run).points.set_index("mode")
    if not (points["status"] == "ok").all():
        raise SystemExit(f"not measured: {points[['status', 'error']].to_string()}")
    found = {("harness", mode): float(points.loc[mode, "step_us"]) for mode in MODES}
    keys = {points.loc[mode, "key"]: mode for mode in MODES}
    ratios = over_timer(lines_of(run), timer_lines(beside))
    return found | {
        ("timer", keys[key]): statistics.median(each) for key, each in ratios.items() if key in keys
    }


def timer_lines(folder: Path) -> dict[tuple[int, int], float]:
    """What the plugin wrote: (rank, start of the block it stands beside) -> microseconds a step by Timer."""
    found = {}
    for file in folder.glob("rank*-*.jsonl"):
        rank = int(file.name.removeprefix("rank").split("-")[0])
        for line in map(json.loads, file.read_text(encoding="utf-8").splitlines()):
            found[rank, line["start_ns"]] = line["timer_us"]
    return found


def over_timer(
    files: dict[str, list[dict[str, Any]]], timed: dict[tuple[int, int], float]
) -> dict[str, list[float]]:
    """Of each key: harness over Timer, a ratio a round; of both the slowest rank. Warm-up blocks are no rounds."""
    steps: dict[tuple[str, int], list[tuple[float, float]]] = defaultdict(list)
    for records in files.values():
        ranks = [record["rank"] for record in records if record["type"] == "session"]
        for record in records:
            for block in record["blocks"] if record["type"] == "round" else ():
                ours = (block["end_ns"] - block["start_ns"]) / block["steps"] / 1e3
                steps[block["key"], record["round"]].append((ours, timed[ranks[0], block["start_ns"]]))
    ratios: dict[str, list[float]] = defaultdict(list)
    for (key, _), of_ranks in steps.items():
        ours_us, timers_us = (max(each) for each in zip(*of_ranks, strict=True))
        ratios[key].append(ours_us / timers_us)
    return ratios


def _by_script(
    model: Model, mode: str, folder: Path, *, pinned: bool, more: Sequence[str] = ()
) -> dict[tuple[str, str], float]:
    """The median over blocks, of each the slowest rank, of a script in a process of its own for each rank.
    more: further arguments."""
    store = folder / f"{mode}-{pinned}"
    words = [sys.executable, "-W", "ignore::FutureWarning", str(script.__file__)]
    words += ["--batch", str(model.batch), "--store", str(store), "--sizes", *map(str, model.sizes), *more]
    words += (["--script"] if mode == "script" else []) + (["--train"] if model.workload == "train" else [])
    processes = []
    for rank in range(model.ranks):
        cores = share_of(allowed_cores(), rank, model.ranks, 1) if pinned else None
        environment = {
            **os.environ,
            **session_variables(1),
            "RANK": str(rank),
            "WORLD_SIZE": str(model.ranks),
        }
        command = [*words, *(["--cores", *map(str, cores)] if cores else [])]
        processes.append(
            subprocess.Popen(
                command, env=environment, stdout=subprocess.PIPE, encoding="utf-8", errors="replace"
            )
        )
    try:
        said = [process.communicate(timeout=PROCESS_S)[0] for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.wait()
    if any(process.returncode for process in processes):
        raise SystemExit(f"the script failed: {' '.join(words)}")
    of_ranks = [json.loads(out.splitlines()[-1]) for out in said]
    return {
        ("script" if pinned else "unpinned", mode): statistics.median(map(max, zip(*of_ranks, strict=True)))
    }


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
