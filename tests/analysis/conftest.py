"""A run directory that tests write records into."""

from __future__ import annotations

from pathlib import Path

import pytest
from raw_runs import RawRun


@pytest.fixture
def raw(tmp_path: Path) -> RawRun:
    return RawRun(tmp_path / "run")
