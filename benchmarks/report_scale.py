"""How long does a report of a large run take, how much memory, and do both grow linearly?

A synthetic run of the p3dn sweep's shape (made-up times, real records) with 1,000,000 raw lines, and one a tenth of it,
through `harness report` as a user calls it; beside it a process that only reads the same lines and parses each with
orjson. Alternated, since machines have good and bad minutes. Run: python -m benchmarks.report_scale
"""

from __future__ import annotations

import json
import random
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import yaml

from benchmarks.common import parser, save, verdict
from harness.core.processes.children import python_module
from harness.plan.config import Config, measured_config
from harness.plan.inventory import Inventory
from harness.plan.layout import make_plan
from harness.plan.points import Plan, Point
from harness.records.raw import LAUNCHER_FILE
from harness.sweep.announce import point_record

LINES = 1_000_000
# What a report may take beside reading and parsing alone, of the whole command.
PARSING_LIMIT = 5
MEMORY_LIMIT_MIB = 600
# A tenth of the lines may take no less than a tenth of the time, start-up aside; half again as long as linear would be
# a sign of worse growth.
GROWTH_LIMIT = 1.5

PARSE = """
import sys
from pathlib import Path
import orjson
for path in Path(sys.argv[1]).glob("raw/*.jsonl"):
    with path.open("rb") as file:
        for line in file:
            orjson.loads(line)
"""

# Starts a command and says what it took. A process begins with its parent's peak of memory, which is why the parent is
# this one, that has nothing imported, and not the one that makes runs.
MEASURE = """
import json, resource, subprocess, sys, time
start = time.monotonic()
status = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL).returncode
seconds = time.monotonic() - start
peak_mib = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
print(json.dumps({"status": status, "seconds": seconds, "peak_mib": peak_mib}))
"""


@dataclass(frozen=True)
class Taken:
    seconds: float
    peak_mib: float


def main() -> int:
    """Answers the exit status: 0 if all limits are met."""
    options = parser(__doc__)
    options.add_argument("--lines", type=int, default=LINES)
    options.add_argument("--times", type=int, default=3, help="of each command, by turns (default 3)")
    arguments = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        runs = {"empty": 0, "tenth": arguments.lines // 10, "whole": arguments.lines}
        written = {name: make_run(Path(folder) / name, lines) for name, lines in runs.items()}
        commands = {
            name: python_module("harness.commands.cli", "report", f"{folder}/{name}") for name in runs
        }
        commands["parsing"] = [sys.executable, "-c", PARSE, f"{folder}/whole"]
        taken: dict[str, list[Taken]] = {name: [] for name in commands}
        for _ in range(arguments.times):
            for name, command in commands.items():
                taken[name].append(_taken(command))
    seconds = {name: statistics.median(each.seconds for each in of) for name, of in taken.items()}
    peak_mib = {name: max(each.peak_mib for each in of) for name, of in taken.items()}
    lines, points = zip(*(written.get(name, written["whole"]) for name in commands), strict=True)
    rows = [
        {
            "command": name,
            "raw_lines": lines[at],
            "points": points[at],
            "seconds": seconds[name],
            "peak_mib": peak_mib[name],
        }
        for at, name in enumerate(commands)
    ]
    save(rows, arguments.out, "report_scale")
    growth = (seconds["whole"] - seconds["empty"]) / (10 * (seconds["tenth"] - seconds["empty"]))
    beside = statistics.median(
        whole.seconds / parsing.seconds
        for whole, parsing in zip(taken["whole"], taken["parsing"], strict=True)
    )
    met = [
        verdict("growth from a tenth, beside linear", growth, GROWTH_LIMIT),
        verdict(f"{lines[2]:,} raw lines, beside reading and parsing them", beside, PARSING_LIMIT),
        verdict("peak memory", peak_mib["whole"], MEMORY_LIMIT_MIB, " MiB"),
    ]
    return 0 if all(met) else 1


def _taken(command: list[str]) -> Taken:
    measured = subprocess.run(
        [sys.executable, "-c", MEASURE, *command], stdout=subprocess.PIPE, check=True, text=True
    )
    said = json.loads(measured.stdout)
    if said.pop("status"):
        raise SystemExit(f"{' '.join(command)} failed")
    return Taken(**said)


class Lines:
    """Appends records to one file, as harness.records.lines.Writer does, but many lines at a time."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("wb", buffering=2**20)

    def write(self, kind: str, **fields: Any) -> None:
        self._file.write(msgspec.json.encode({"type": kind, **fields}) + b"\n")

    def close(self) -> None:
        self._file.close()


def make_run(directory: Path, lines: int) -> tuple[int, int]:
    """Write a run directory with about so many raw lines; answers how many, and how many points it has."""
    config = Config(
        name="synthetic",
        depth=[4, 8, 16, 32, 64],
        width=[64, 512],
        batch=[1, 32, 1024, 16384],
        devices=[1, 2, 4, 8],
        workload=["forward", "train"],
    )
    plan = make_plan(config, Inventory("cuda", 8, "a synthetic device", 96))
    ranks = sum(session.ranks * len(session.cells) for session in plan.sessions)
    rounds = round(lines / ranks)
    (directory / "raw").mkdir(parents=True)
    (directory / "config.yaml").write_text(yaml.safe_dump(measured_config(config)))
    written = _write_plan(directory, plan)
    if rounds:
        written += _write_sessions(directory, plan, rounds)
    return written, len(plan.points)


def _write_plan(directory: Path, plan: Plan) -> int:
    launcher = Lines(directory / "raw" / LAUNCHER_FILE)
    launcher.write("start", device_kind="cuda", device_name="a synthetic device", cores=96)
    for point in plan.points:
        launcher.write("point", **point_record(point))
    launcher.close()
    return 1 + len(plan.points)


def _write_sessions(directory: Path, plan: Plan, rounds: int) -> int:
    chance, written = random.Random(0), 0
    for session in plan.sessions:
        name = f"processes-{session.devices}-try1"
        for rank in range(session.ranks):
            writer = Lines(directory / "raw" / f"{name}-rank{rank}.jsonl")
            writer.write(
                "session", session=name, rank=rank, ranks=session.ranks,
                device_kind="cuda", device_name="a synthetic device",
            )  # fmt: skip
            clock = 0
            for cell in session.cells:
                writer.write("cell", cell=cell.id, keys={p.mode: p.key for p in cell.points})
                cell_id, means = cell.id, {point.key: _step_ns(point) * 100 for point in cell.points}
                for number in range(rounds):
                    blocks = []
                    for key, mean_ns in means.items():
                        wall = round(mean_ns * chance.lognormvariate(0, 0.05))
                        blocks.append(
                            {
                                "key": key, "steps": 100, "start_ns": clock, "end_ns": clock + wall,
                                "cpu_ns": wall, "main_ns": wall, "waits": 0, "preemptions": 0,
                                "issue_ns": wall / 200,
                            }
                        )  # fmt: skip
                        clock += wall
                    writer.write("round", cell=cell_id, round=number, blocks=blocks)
                if rank == 0:
                    writer.write("end", cell=cell.id, stop="settled", keys=[p.key for p in cell.points])
                written += rounds + 2
            writer.close()
    return written


def _step_ns(point: Point) -> float:
    issue = point.depth * (20_000 if point.mode == "eager" else 8_000)
    device = point.depth * (4_000 + point.batch * point.width**2 * 2e-4)
    return max(issue, device) * (3 if point.workload == "train" else 1)


if __name__ == "__main__":
    sys.exit(main())
