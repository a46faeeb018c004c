"""The launcher's side of a session whose ranks run on other nodes: hears them through srun, ends them through it.

In: srun's output. Out: messages of the ranks, lines for the log, the cause of a death with rank and node. Must not
know what is measured.
"""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Any

import psutil

from harness.cluster.first_words import first_words
from harness.cluster.jobs.slurm_commands import signal_step
from harness.cluster.node import ENDED, EVENT, LINE, TOLD_TO_END
from harness.launch.cause_of_death import is_consequence, signal_name
from harness.launch.run import DIED
from harness.session.messages import rank_of

# srun has a step killed at once and waits for its nodes to say that it is gone.
ENDS_WITHIN_S = 20.0
KILLED_WITHIN_S = 10.0
# What hanging ranks of all nodes together are given to write down where they are, before they are killed.
STACKS_S = 2.0
# Lines of ranks' exceptions that are shown at once; all of them stand in the log.
SHOWN_LINES = 300

_OF_RANK = re.compile(r"^\[?rank ?(\d+)(?:\]:|:) ?(.*)")
_RANK = re.compile(r"^rank (\d+)\b")
# As srun 20.11 to 24.05 say it.
_NODE_FAILED = re.compile(r"Node failure on (\S+)|NODE FAILURE|due to node failure", re.IGNORECASE)


def _is_step_of(step: object, job: str) -> bool:
    """Whether it may be signalled: a step of this job, and of no other, whoever says so."""
    return isinstance(step, str) and re.fullmatch(rf"{re.escape(job)}\.[0-9]+", step) is not None


def _said(line: str) -> dict[str, Any] | None:
    """What a node said; None if the line is srun's own, or torn."""
    if line.startswith("{"):
        with contextlib.suppress(ValueError, RecursionError):
            said = json.loads(line)
            if isinstance(said, dict) and isinstance(said.get("node"), str):
                return said
    return None


class SrunReach:
    """A Reach (harness.launch.reach) over srun.

    tell: shows a line to whoever watches the sweep; job: this job's SLURM_JOB_ID.
    """

    def __init__(self, tell: Callable[[str], None], job: str) -> None:
        self._tell, self._job = tell, job
        self._shown = 0
        self.nodes: dict[int, str] = {}  # of each rank
        self.step: str | None = None
        self._failed_node: str | None = None
        self.told_to_end = False
        self._death: tuple[str, str, bool] | None = None

    def variables(self) -> AbstractContextManager[Mapping[str, str]]:
        return contextlib.nullcontext({})  # each node has its own

    def hear(self, line: str) -> tuple[list[dict[str, Any]], str | None]:
        said = _said(line)
        if said is None:
            if found := _NODE_FAILED.search(line):
                self._failed_node = found[1] or self._failed_node or "of the job"
                self.told_to_end = True  # SLURM takes the whole job away, and starts it again on other nodes
            return [], line
        node = said["node"]
        if isinstance(message := said.get(EVENT), dict):
            if (rank := rank_of(message)) is not None:
                self.nodes[rank] = node
            if _is_step_of(message.get("step"), self._job):
                self.step = str(message["step"])
            return [message], None
        if isinstance(ending := said.get(ENDED), dict):
            how, reason = str(ending.get("how")), str(ending.get("reason", ""))
            # The others are ended because of the first; unless that one only missed another, and told so earlier.
            if how == DIED and (
                self._death is None or (is_consequence(self._death[1]) and not is_consequence(reason))
            ):
                self._death = node, reason, bool(ending.get("killed"))
            if how == TOLD_TO_END and self._death is None:
                self.told_to_end = True
            return [], f"{node}: {how} {reason}".rstrip()
        text = str(said.get(LINE, ""))
        self._show(node, text)
        return [], f"{node}: {text}"

    def _show(self, node: str, text: str) -> None:
        """An exception is wanted where the job's output is read, not in a file beside it."""
        found = _OF_RANK.match(text)
        if found and self._shown < SHOWN_LINES:
            self._shown += 1
            self._tell(f"rank {found[1]} on {node}: {found[2]}")

    def cause_of_death(self, lines: list[str], returncode: int) -> tuple[str, bool]:
        if self._failed_node:
            return f"node {self._failed_node} failed", True
        if self._death:
            node, reason, killed = self._death
            placed = _RANK.sub(rf"rank \1 on {node}", reason)
            return (placed if placed != reason else f"{reason} on {node}"), killed
        said = first_words(lines)
        if returncode < 0:
            return f"srun was ended by {signal_name(-returncode)}", True
        return f"srun exited with status {returncode}" + (f": {said}" if said else ""), False

    def ask_for_stacks(self, here: Mapping[int, psutil.Process]) -> Iterator[str]:
        """All ranks of all nodes at once."""
        if self.step:
            signal_step(self.step, "USR1")
        time.sleep(STACKS_S)
        yield ""

    def end(self, command: subprocess.Popen[bytes]) -> None:
        if command.poll() is None:
            command.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                command.wait(timeout=ENDS_WITHIN_S)
        # An srun that does not end, or that was killed itself, leaves its step running.
        if self.step and (command.returncode is None or command.returncode < 0):
            signal_step(self.step, "KILL")
            with contextlib.suppress(subprocess.TimeoutExpired):
                command.wait(timeout=KILLED_WITHIN_S)
