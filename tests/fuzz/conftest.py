"""Where hypothesis keeps what it has found out: nowhere for longer than the tests run, and not in the repository."""

from __future__ import annotations

import tempfile

from hypothesis.configuration import set_hypothesis_home_dir

# Now: it begins to write while tests are collected.
_HOME = tempfile.TemporaryDirectory(prefix="hypothesis-")
set_hypothesis_home_dir(_HOME.name)
