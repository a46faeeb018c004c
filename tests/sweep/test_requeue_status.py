"""What a sweep exits with to be started again is what the batch scripts look for."""

from __future__ import annotations

import re
import signal
from pathlib import Path

from harness.core.processes.interrupt import REQUEUE_STATUS, Interrupted

SCRIPT = Path(__file__).resolve().parents[2] / "slurm" / "run.sh"


def test_the_batch_script_knows_the_status() -> None:
    assert re.findall(r"^REQUEUE_STATUS=(\d+)$", SCRIPT.read_text(), re.MULTILINE) == [str(REQUEUE_STATUS)]
    assert Interrupted(signal.SIGTERM, requeue=True).exit_status == REQUEUE_STATUS
