"""Ranks of which one has a slow clock, for tests: `plugins=[uneven_clocks]`."""

from __future__ import annotations

import os

# The launcher loads plugins too, and no torch.
if os.environ.get("RANK") == "1":
    from harness.worker import one_rank

    one_rank.clock_cost_ns = lambda: 1500.0
