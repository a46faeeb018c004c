"""How long does a report of a large run take, how much memory, and do both grow linearly?

Synthetic runs of the p3dn sweep's shape (made-up times, real records) with 1,000,000 raw lines, half of it and a
hundredth, through `harness report` as a user calls it; beside it a process that only reads the same lines and parses
each with orjson. Alternated, since machines have good and bad minutes. Run: python -m benchmarks.report_scale
"""

from __future__ import annotations

import random
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

import orjson
import yaml

from benchmarks.common import parser, save, verdict
from benchmarks.peak import Taken
from benchmarks.peak import taken as run
from harness.core.processes.children import python_module
from harness.plan.config import Config, measured_config
from harness.plan.inventory import Inventory
from harness.plan.layout import make_plan
from harness.plan.points import Plan, Point
from harness.records.lines import Writer
from harness.records.raw import LAUNCHER_FILE
from harness.sweep.announce import point_record

LINES = 1_000_000
# What a report may take beside reading and parsing alone, of the whole command.
PARSING_LIMIT = 5
MEMORY_LIMIT_MIB = 600
# The second half of the lines may take as long as the first, start-up and figures aside, which the smallest run has as
# well; half again as long would be a sign of worse growth.
GROWTH_LIMIT = 1.5
SMALLEST = 100

PARSE = """
import sys
from pathlib import Path
import orjson
for path in Path(sys.argv[1]).glob("raw/*.jsonl"):
    with path.open("rb") as file:
        for line in file:
            orjson.loads(line)
"""


def main() -> int:
    """Answers the exit status: 0 if all limits are met."""
    options = parser(__doc__)
    options.add_argument("--lines", type=int, default=LINES)
    options.add_argument("--times", type=int, default=3, help="of each command, by turns (default 3)")
    arguments = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        runs = {"small": arguments.lines // SMALLEST, "half": arguments.lines // 2, "whole": arguments.lines}
        written = {name: make_run(Path(folder) / name, lines) for name, lines in runs.items()}
        commands = {
            name: python_module("harness.commands.cli", "report", f"{folder}/{name}") for name in runs
        }
        commands["parsing"] = [sys.executable, "-c", PARSE, f"{folder}/whole"]
        taken: dict[str, list[Taken]] = {name: [] for name in commands}
        for _ in range(arguments.times):
            for name, command in commands.items():
                taken[name].append(run(command))
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
    first, second = (seconds[more] - seconds[less] for more, less in (("half", "small"), ("whole", "half")))
    growth = second / first * (lines[1] - lines[0]) / (lines[2] - lines[1])
    beside = statistics.median(
        whole.seconds / parsing.seconds
        for whole, parsing in zip(taken["whole"], taken["parsing"], strict=True)
    )
    met = [
        verdict("the second half of the lines over the first", growth, GROWTH_LIMIT),
        verdict(f"{lines[2]:,} raw lines, beside reading and parsing them", beside, PARSING_LIMIT),
        verdict("peak memory", peak_mib["whole"], MEMORY_LIMIT_MIB, " MiB"),
    ]
    return 0 if all(met) else 1


class Lines:
    """As the harness's Writer, many lines at a time: nothing here is to survive a kill."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("wb")

    def write(self, kind: str, **fields: Any) -> None:
        self._file.write(orjson.dumps({"type": kind, **fields}) + b"\n")

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
    (directory / "config.yaml").write_text(yaml.safe_dump(measured_config(config)), encoding="utf-8")
    written = _write_plan(directory, plan)
    if rounds:
        written += _write_sessions(directory, plan, rounds)
    return written, len(plan.points)


def _write_plan(directory: Path, plan: Plan) -> int:
    launcher = Writer(directory / "raw" / LAUNCHER_FILE)
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
                keys = {point.mode: point.key for point in cell.points}
                name_of_cell = cell.id  # a hash, made anew each time
                writer.write("cell", cell=name_of_cell, keys=keys)
                for number in range(rounds):
                    blocks = []
                    for point in cell.points:
                        wall = round(_step_ns(point) * 100 * chance.lognormvariate(0, 0.05))
                        blocks.append(
                            {
                                "key": keys[point.mode], "steps": 100, "start_ns": clock, "end_ns": clock + wall,
                                "cpu_ns": wall, "main_ns": wall, "waits": 0, "preemptions": 0,
                                "issue_ns": wall / 200,
                            }
                        )  # fmt: skip
                        clock += wall
                    writer.write("round", cell=name_of_cell, round=number, blocks=blocks)
                if rank == 0:
                    writer.write("end", cell=name_of_cell, stop="settled", keys=list(keys.values()))
                written += rounds + 2
            writer.close()
    return written


def _step_ns(point: Point) -> float:
    depth, width = point.depth or 1, point.width or 1
    issue = depth * (20_000 if point.mode == "eager" else 8_000)
    device = depth * (4_000 + point.batch * width**2 * 2e-4)
    return max(issue, device) * (3 if point.workload == "train" else 1)


if __name__ == "__main__":
    sys.exit(main())
