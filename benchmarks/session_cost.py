"""What is saved by many cells per torchrun start, and how much of a session is measuring?

The same points, on two ranks, in one session and with one start per point; and from the default sweep's
timing, the share of a session's wall time after its start-up that is first calls, warm-up or timed
blocks. Run: python -m benchmarks.session_cost
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.common import parser, save, verdict
from benchmarks.on_disk import lines_of
from harness.core.processes.children import python_module

DEPTH, BATCH, MODE, DEVICES = (2, 4, 8, 16), (1, 4, 16), ("eager", "script", "trace"), 2
# The rest of a session builds and compares models.
TIMES_LONGER, BUSY_SHARE = 8, 0.4


def main() -> int:
    """Answers the exit status: 0 if both limits are met."""
    options = parser(__doc__)
    options.add_argument("--timing", default="quick", help="conf/timing of the comparison (default quick)")
    arguments = options.parse_args()
    one, _ = _sweep(DEPTH, BATCH, MODE, arguments.timing)
    rows = [{"method": "one session", "points": len(DEPTH) * len(BATCH) * len(MODE), "wall_s": one}]
    each = 0.0
    for depth in DEPTH:
        for batch in BATCH:
            for mode in MODE:
                each += _sweep((depth,), (batch,), (mode,), arguments.timing)[0]
    rows.append({"method": "one start per point", "points": rows[0]["points"], "wall_s": each})
    save(rows, arguments.out, "session_cost")
    longer = verdict("one start per point takes", each / one, TIMES_LONGER, " times as long", least=True)

    _, busy = _sweep((4, 16, 64), (1, 16, 256), MODE, "normal")
    save([{"timing": "normal", "ranks": DEVICES, "busy_share": busy}], arguments.out, "session_busy")
    enough = verdict(
        "warm-up and timed blocks are", busy * 100, BUSY_SHARE * 100, " % of a session", least=True
    )
    return 0 if longer and enough else 1


def _sweep(
    depth: tuple[int, ...], batch: tuple[int, ...], mode: tuple[str, ...], timing: str
) -> tuple[float, float]:
    """Wall seconds of the sessions of a sweep, and the busy share of their time after start-up.

    The harness's own start, its look at the machine and the report are left out: both methods would have
    them once.
    """
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        lists = {"depth": depth, "batch": batch, "mode": mode, "devices": (DEVICES,), "width": (64,)}
        overrides = [f"{name}=[{','.join(map(str, values))}]" for name, values in lists.items()]
        command = [
            *python_module("harness.commands.cli"),
            "sweep",
            *overrides,
            "device=cpu",
            f"timing={timing}",
        ]
        process = subprocess.Popen(
            [*command, f"out={run}"], stdout=subprocess.PIPE, encoding="utf-8", errors="replace", bufsize=1
        )
        assert process.stdout is not None
        start = end = 0.0
        for line in process.stdout:
            if line.startswith("session "):
                start = time.monotonic()
            if line.startswith("["):
                end = time.monotonic()
        if process.wait() or not start:
            raise SystemExit("the sweep failed")
        closings = [r for records in lines_of(run).values() for r in records if r["type"] == "closing"]
    wall, busy = (sum(closing[key] for closing in closings) for key in ("wall_s", "busy_s"))
    return end - start, busy / wall


if __name__ == "__main__":
    sys.exit(main())
