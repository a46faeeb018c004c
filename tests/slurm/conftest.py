"""Fixtures of the tests against a real SLURM: a cluster for the session, and jobs in it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from cluster import Cluster, missing, running
from jobs import Jobs


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    if why := missing():
        # In CI a test that does not run must be seen.
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(f"no SLURM here: {why}")
    # Not pytest's folder: paths of sockets must be short, and munge wants folders that no group can write.
    with tempfile.TemporaryDirectory(prefix="slurm-") as folder, running(Path(folder)) as started:
        yield started


@pytest.fixture
def jobs(cluster: Cluster, tmp_path: Path) -> Iterator[Jobs]:
    made = Jobs(cluster, tmp_path)
    yield made
    made.cancel()
