"""Interleaved rounds: one block of every mode of a cell, in an order that is random and the same on all ranks.

In: modes Prepared, and the ranks' agreement. Out: a record a round, and the step times so far.
Must not know how modes were prepared, nor when to stop.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import partial

from harness.timing.blocks import Block
from harness.timing.bursts import Burst
from harness.timing.step_times import Rounds
from harness.worker.cells.agreement import Agreement
from harness.worker.cells.bench import Bench
from harness.worker.cells.prepared import Prepared, block_fields, points_lost

# What stands for the time of a block that failed. It passes through `gather` as a number does.
FAILED = float("nan")


class Interleaved:
    """The modes of one build of a cell that are in the race, and what was measured of them.

    modes: by name; one that fails on any rank leaves it on all. measured: of the slowest rank. visit: number of the
    visit that goes on.
    """

    def __init__(
        self, cell_id: str, build: int, bench: Bench, agreement: Agreement, modes: dict[str, Prepared]
    ) -> None:
        self.modes = modes
        self.measured = Rounds()
        self.visit = 0
        self._cell_id = cell_id
        self._build = build
        self._bench = bench
        self._agreement = agreement

    def one_round(self) -> None:
        """One block of every mode, each led in by some steps that are not timed. Collective."""
        bench, order = self._bench, self._order()
        timed: dict[str, tuple[Block, Burst | None] | None] = {}
        for name in order:
            mode = self.modes[name]
            led = self._agreement.attempt(points_lost(mode), partial(mode.lead_in, bench.issuers))
            bench.ranks.barrier()
            timed[name] = (
                self._agreement.attempt(points_lost(mode), partial(self._timed, mode)) if led else None
            )
        of_ranks = bench.ranks.gather([each[0].wall_ns if each else FAILED for each in timed.values()])
        slowest = dict(zip(order, map(_slowest, zip(*of_ranks, strict=True)), strict=True))
        blocks = [
            block_fields(self.modes[name].key, *each) for name, each in timed.items() if each is not None
        ]
        self._drop([name for name, wall in slowest.items() if wall != wall])
        walls = {name: wall for name, wall in slowest.items() if wall == wall}
        wall_ns = sum(walls.values())
        bench.busy_ns += round(wall_ns + sum(self.modes[name].lead_ns for name in walls))
        if walls:
            bench.writer.write(
                "round",
                cell=self._cell_id,
                round=self._number,
                build=self._build,
                visit=self.visit,
                blocks=blocks,
            )
            self.measured.add({name: wall / self.modes[name].steps for name, wall in walls.items()})

    @property
    def _number(self) -> int:
        """Of the round in its session."""
        return self._build * self._bench.timing.rounds + self.measured.count

    def _order(self) -> list[str]:
        """Seeded by session, cell and round: the same order on all ranks, another one in every round."""
        order, bench = sorted(self.modes), self._bench
        random.Random(f"{bench.seed}:{bench.session}:{self._cell_id}:{self._number}").shuffle(order)
        return order

    def _timed(self, mode: Prepared) -> tuple[Block, Burst | None]:
        """One timed block, and on asynchronous devices one issued burst."""
        block = mode.timed_block(self._bench.usage)
        if mode.burst is None:
            return block, None
        if not self._agreement.alone:
            # Held at the same time, so that no rank's time contains waiting for another's beginning.
            self._bench.ranks.barrier()
        return block, mode.timed_burst(self._bench.issuers, self._number)

    def _drop(self, names: Sequence[str]) -> None:
        """Leave modes out from here on; the rank where one failed has written why."""
        for name in names:
            del self.modes[name]
            self.measured.drop(name)
            self._bench.sender.send("progress")


def _slowest(walls: Sequence[float]) -> float:
    """The longest of all ranks' times; none where any of them failed."""
    return FAILED if any(wall != wall for wall in walls) else max(walls)
