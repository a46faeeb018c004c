"""Fixtures of the tests of a step's parts."""

from __future__ import annotations

import os

import pytest

from harness.diagnosis.parts.empty_kernels import why_not


@pytest.fixture(scope="session")
def empty_kernels() -> None:
    """Skips where operators cannot be answered from a record: without a compiler, or in an older torch."""
    if said := why_not():
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(f"no empty kernels here: {said}")
