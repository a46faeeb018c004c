"""The drivers of one rank: a process for each environment of its session, started when it is first wanted.

In: environments. Out: Drivers that are ready, or DriverError. Must not know cells, modes or records.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence

from harness.core import schema
from harness.environments.document import Environment
from harness.environments.driving.memory import no_room
from harness.environments.driving.process import Driver
from harness.environments.driving.task import DriverError
from harness.environments.interpreter import NotReady, ready

# One that dies as often is not started again in this session.
MOST_STARTS = 3


class Drivers:
    """All of them live at once, as far as there is memory; only the one that is asked works.

    An environment that is not ready or does not start is not tried again: each of its points gets the reason.
    """

    def __init__(
        self,
        environments: Sequence[Environment],
        *,
        threads: int,
        cores: Sequence[int] | None,
        timeout_s: float,
        while_waiting: Callable[[], None],
        told: Callable[[str, Mapping[str, str]], None],
    ) -> None:
        """cores: of this rank; None where it is not pinned. told: name and facts of each driver that has started."""
        self._environments = {each.name: each for each in environments}
        self._threads, self._cores, self._timeout_s = threads, cores, timeout_s
        self._while_waiting, self._told = while_waiting, told
        self._running: dict[tuple[str, bool], Driver] = {}
        self._starts: dict[tuple[str, bool], int] = {}
        self._failed: dict[tuple[str, bool], DriverError] = {}
        self._slots = itertools.count()

    def framework(self, name: str) -> str:
        return self._environments[name].framework

    def new_slot(self) -> int:
        """A place for something prepared that no driver has used."""
        return next(self._slots)

    def of(self, name: str, *, null: bool = False) -> Driver:
        """That of an environment; null: a second process of it, by which it is compared with itself.

        Raises DriverError where there is none.
        """
        place = (name, null)
        if place in self._failed:
            raise self._failed[place]
        running = self._running.get(place)
        if running is not None and running.alive:
            return running
        try:
            self._running[place] = self._started(place)
        except DriverError as error:
            self._failed[place] = error
            raise
        return self._running[place]

    def _started(self, place: tuple[str, bool]) -> Driver:
        self._running.pop(place, None)
        self._starts[place] = self._starts.get(place, 0) + 1
        if self._starts[place] > MOST_STARTS:
            raise DriverError(schema.FAILED, f"its process died {MOST_STARTS} times in this session")
        try:
            interpreter = ready(self._environments[place[0]])
        except NotReady as error:
            raise DriverError(schema.FAILED, str(error)) from None
        if why := no_room([each for each in self._running.values() if each.alive]):
            raise DriverError(schema.OOM, why)
        driver = Driver(
            interpreter,
            threads=self._threads,
            cores=self._cores,
            timeout_s=self._timeout_s,
            while_waiting=self._while_waiting,
        )
        if not place[1]:
            self._told(driver.name, driver.facts)
        return driver

    def close(self) -> None:
        for driver in self._running.values():
            driver.close()
