"""Runs made up for comparisons are those of histories too."""

from __future__ import annotations

import sys

from running import TESTS

sys.path.append(str(TESTS / "compare"))
