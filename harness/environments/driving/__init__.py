"""A process of another Python that prepares models and times blocks of their steps when it is asked to.

In: an interpreter, tasks. Out: outcomes to compare, and times. Must not know points, cells or records.
"""

from __future__ import annotations

from harness.environments.driving.process import Driver
from harness.environments.driving.task import DriverError, Task

__all__ = ["Driver", "DriverError", "Task"]
