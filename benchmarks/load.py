"""A program that burns one core by turns, for benchmarks that are to hold beside others.

Seconds on and off are drawn from exponential distributions. Run: python -m benchmarks.load ON OFF [SEED]
"""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.core.processes.children import python_module
from harness.core.processes.ends_with_parent import end_with_parent

ROOT = Path(__file__).resolve().parents[1]


def burn(on_s: float, off_s: float, seed: int) -> None:
    """Never returns. on_s, off_s: mean seconds of a turn."""
    source = random.Random(seed)
    while True:
        end = time.monotonic() + source.expovariate(1 / on_s)
        while time.monotonic() < end:
            pass
        time.sleep(source.expovariate(1 / off_s))


@contextmanager
def beside(on_s: float, off_s: float, seed: int = 0) -> Iterator[subprocess.Popen[bytes]]:
    """Within: such a program is running."""
    command = python_module("benchmarks.load", str(on_s), str(off_s), str(seed))
    process = subprocess.Popen(command, cwd=ROOT, env={"PYTHONPATH": str(ROOT)})
    try:
        yield process
    finally:
        process.kill()
        process.wait()


if __name__ == "__main__":
    end_with_parent()
    burn(float(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else 0)
