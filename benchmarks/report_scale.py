"""How long do analysis and report of a large run take, and do they grow linearly?

A synthetic run of the p3dn sweep's shape (made-up times, real records) with 100,000 raw lines, and one a
quarter of it, through `harness report` as a user calls it. Run: python -m benchmarks.report_scale
"""

from __future__ import annotations

import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

from benchmarks.common import parser, save, verdict
from harness.core.processes.children import python_module
from harness.plan.config import Config, measured_config
from harness.plan.inventory import Inventory
from harness.plan.layout import make_plan
from harness.plan.points import Plan, Point
from harness.records.lines import Writer
from harness.records.raw import LAUNCHER_FILE
from harness.sweep.announce import point_record

LINES = 100_000
SECONDS_LIMIT = 10
# A quarter of the lines may take no less than a quarter of the time, start-up aside; half again as long
# as linear would be a sign of worse growth.
GROWTH_LIMIT = 1.5


def main() -> int:
    """Answers the exit status: 0 if both limits are met."""
    options = parser(__doc__)
    options.add_argument("--lines", type=int, default=LINES)
    arguments = options.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for name, lines in (("empty", 0), ("quarter", arguments.lines // 4), ("whole", arguments.lines)):
            run = Path(folder) / name
            written, points = make_run(run, lines)
            start = time.monotonic()
            subprocess.run(
                python_module("harness.commands.cli", "report", str(run)),
                check=True,
                stdout=subprocess.DEVNULL,
            )
            rows.append(
                {"run": name, "raw_lines": written, "points": points, "seconds": time.monotonic() - start}
            )
    save(rows, arguments.out, "report_scale")
    empty, quarter, whole = (float(row["seconds"]) for row in rows)  # type: ignore[arg-type]
    growth = (whole - empty) / (4 * (quarter - empty))
    linear = verdict("growth from a quarter, beside linear", growth, GROWTH_LIMIT)
    quick = verdict(f"{arguments.lines:,} raw lines", whole, SECONDS_LIMIT, " s")
    return 0 if linear and quick else 1


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
            writer = Writer(directory / "raw" / f"{name}-rank{rank}.jsonl")
            writer.write(
                "session", session=name, rank=rank, ranks=session.ranks,
                device_kind="cuda", device_name="a synthetic device",
            )  # fmt: skip
            clock = 0
            for cell in session.cells:
                writer.write("cell", cell=cell.id, keys={p.mode: p.key for p in cell.points})
                for number in range(rounds):
                    blocks = []
                    for point in cell.points:
                        wall = round(_step_ns(point) * 100 * chance.lognormvariate(0, 0.05))
                        blocks.append(
                            {
                                "key": point.key, "steps": 100, "start_ns": clock, "end_ns": clock + wall,
                                "cpu_ns": wall, "main_ns": wall, "waits": 0, "preemptions": 0,
                                "issue_ns": wall / 200,
                            }
                        )  # fmt: skip
                        clock += wall
                    writer.write("round", cell=cell.id, round=number, blocks=blocks)
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
