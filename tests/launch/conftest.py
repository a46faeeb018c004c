"""A session of small commands, whose temporary files are the test's own."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from small_sessions import Session


@pytest.fixture
def session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Session:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return Session(tmp_path)
