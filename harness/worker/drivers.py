"""The drivers of one rank: a process for each environment of its session, started when it is first wanted; by turns,
where there is no memory for all of them at once.

In: environments. Out: Drivers that are ready, or DriverError. Must not know cells, modes or records.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence

from harness.core import schema
from harness.environments.document import HERE, Environment
from harness.environments.driving.memory import no_room
from harness.environments.driving.process import Driver
from harness.environments.driving.task import DriverError
from harness.environments.interpreter import NotReady, ready

# One that dies as often is not started again in this session.
MOST_STARTS = 3

# An environment by its name, and whether it is its second process, by which it is compared with itself.
Place = tuple[str, bool]


class Drivers:
    """All of them live at once, as far as there is memory; only the one that is asked works.

    Those for which there is no memory beside the others wait for a later turn. In every turn the reference lives, which
    is `here`, or else the first of them: the others' ratios to it are of the same rounds. An environment that is not
    ready or does not start is not tried again: each of its points gets the reason; so does one for which there is no
    memory beside the reference alone.
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
        self.reference = HERE.name if HERE.name in self._environments else environments[0].name
        self._threads, self._cores, self._timeout_s = threads, cores, timeout_s
        self._while_waiting, self._told = while_waiting, told
        self._running: dict[Place, Driver] = {}
        self._starts: dict[Place, int] = {}
        self._failed: dict[Place, DriverError] = {}
        self._slots = itertools.count()
        # Whose turn it is, None for all; and who waits for the next one.
        self._of_turn: frozenset[Place] | None = None
        self._waiting: set[Place] = set()

    def framework(self, name: str) -> str:
        return self._environments[name].framework

    def new_slot(self) -> int:
        """A place for something prepared that no driver has used."""
        return next(self._slots)

    def has_turn(self, name: str, *, null: bool = False) -> bool:
        """Whether an environment is measured in this turn, or fails; if not, its turn was or comes. null: its second
        process, which waits only if it is the reference's: no other environment is there in each turn."""
        place = (name, null)
        if place in self._waiting or not (self._of_turn is None or place in self._of_turn):
            return False
        if place in self._failed or self._is_alive(place) or not self._others() or place == self._always:
            return True
        if not null and self._not_ready(name):
            return True
        if no_room(self._living()) is None:
            return True
        if not null or name == self.reference:
            self._waiting.add(place)
        return False

    def is_waiting(self, name: str, *, null: bool = False) -> bool:
        return (name, null) in self._waiting

    @property
    def turns_left(self) -> int:
        """After this one, at least: if as many fit at once as now."""
        return -(-len(self._waiting) // max(1, len(self._others())))

    def next_turn(self) -> bool:
        """End all but the reference's, for those that wait; whether there are any."""
        if not self._waiting:
            return False
        for place in self._others():
            self._running.pop(place).close()
        self._of_turn, self._waiting = frozenset({self._always, *self._waiting}), set()
        return True

    def is_of_others(self, name: str, *, null: bool = False) -> bool:
        """Whether it is somebody's turn who was not in an earlier one: not the reference's."""
        place = (name, null)
        return place != self._always and (self._of_turn is None or place in self._of_turn)

    @property
    def _always(self) -> Place:
        return (self.reference, False)

    def _living(self) -> list[Driver]:
        return [each for each in self._running.values() if each.alive]

    def _others(self) -> list[Place]:
        return [place for place in self._running if place != self._always and self._is_alive(place)]

    def _is_alive(self, place: Place) -> bool:
        return place in self._running and self._running[place].alive

    def _not_ready(self, name: str) -> str:
        try:
            ready(self._environments[name])
        except NotReady as error:
            return str(error)
        return ""

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

    def _started(self, place: Place) -> Driver:
        self._running.pop(place, None)
        self._starts[place] = self._starts.get(place, 0) + 1
        if self._starts[place] > MOST_STARTS:
            raise DriverError(schema.FAILED, f"its process died {MOST_STARTS} times in this session")
        try:
            interpreter = ready(self._environments[place[0]])
        except NotReady as error:
            raise DriverError(schema.FAILED, str(error)) from None
        if why := no_room(self._living()):
            alone = "" if self._others() else ": not even two environments have room at once"
            raise DriverError(schema.OOM, f"{why}{alone}")
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
