"""Drivers that are closed when a test is over."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from other_pythons import Open, interpreter

from harness.environments.driving.process import Driver
from harness.environments.interpreter import Interpreter


@pytest.fixture
def opened() -> Iterator[Open]:
    drivers: list[Driver] = []

    def open_one(which: Interpreter | None = None, **options: Any) -> Driver:
        drivers.append(Driver(which or interpreter(), **options))
        return drivers[-1]

    yield open_one
    for driver in drivers:
        driver.close()
