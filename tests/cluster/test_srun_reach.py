"""What is heard of ranks on other nodes, and what a session died of there."""

from __future__ import annotations

import io
import json
import os
import sys
from typing import Any

import pytest

from harness.cluster.srun_reach import SHOWN_LINES, SrunReach
from harness.launch.run import DIED, FINISHED, TIMED_OUT, Ending, run_session


@pytest.fixture
def shown() -> list[str]:
    return []


@pytest.fixture
def reach(shown: list[str]) -> SrunReach:
    return SrunReach(shown.append, "41")


def node(name: str, **said: Any) -> str:
    return json.dumps({"node": name, **said})


def died(name: str, reason: str, killed: bool = False) -> str:
    return node(name, ended={"how": "died", "reason": reason, "killed": killed})


def test_messages_of_ranks_come_through_and_stand_in_no_log(reach: SrunReach) -> None:
    message = {"event": "visit", "cell": "x", "step": "41.0"}
    assert reach.hear(node("n2", event=message)) == ([message], None)
    assert reach.step == "41.0"


def test_lines_go_to_the_log_with_their_node(reach: SrunReach, shown: list[str]) -> None:
    assert reach.hear(node("n2", line="a warning")) == ([], "n2: a warning")
    assert shown == []


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("[rank3]: RuntimeError: no", "rank 3 on n2: RuntimeError: no"),
        ("rank 3: device lost", "rank 3 on n2: device lost"),
    ],
)
def test_what_a_rank_fails_of_is_shown_with_rank_and_node(
    reach: SrunReach, shown: list[str], line: str, told: str
) -> None:
    reach.hear(node("n2", line=line))
    assert shown == [told]


def test_not_more_is_shown_than_somebody_would_read(reach: SrunReach, shown: list[str]) -> None:
    for number in range(SHOWN_LINES + 50):
        reach.hear(node("n2", line=f"[rank1]: line {number}"))
    assert len(shown) == SHOWN_LINES


@pytest.mark.parametrize(
    "line", ["", "srun: job 3 queued", "{torn", '{"a": 1}', "[]", '{"node": 3}', "{" * 9999]
)
def test_everything_else_is_a_line_of_srun(reach: SrunReach, line: str) -> None:
    assert reach.hear(line) == ([], line)


def test_the_first_death_is_the_cause_and_names_its_node(reach: SrunReach) -> None:
    reach.hear(died("n2", "rank 9 was ended by SIGKILL", killed=True))
    reach.hear(died("n1", "rank 0 exited with status 1: RuntimeError: Connection closed by peer"))
    assert reach.cause_of_death([], 137) == ("rank 9 on n2 was ended by SIGKILL", True)


def test_a_node_that_only_missed_a_rank_is_not_the_cause_though_it_told_first(reach: SrunReach) -> None:
    reach.hear(died("n1", "rank 0 exited with status 1: RuntimeError: Connection closed by peer"))
    reach.hear(died("n2", "rank 9 was ended by SIGKILL", killed=True))
    reach.hear(died("n3", "rank 17 exited with status 1: RuntimeError: Connection closed by peer"))
    assert reach.cause_of_death([], 137) == ("rank 9 on n2 was ended by SIGKILL", True)


def test_a_cause_without_a_rank_names_the_node(reach: SrunReach) -> None:
    reach.hear(died("n2", "torchrun exited with status 1"))
    assert reach.cause_of_death([], 1) == ("torchrun exited with status 1 on n2", False)


@pytest.mark.parametrize(
    "line",
    ["srun: error: Node failure on n2", "slurmstepd: error: *** STEP 1.0 CANCELLED DUE TO NODE FAILURE ***"],
)
def test_a_node_that_fails_is_the_cause_whatever_ranks_say(reach: SrunReach, line: str) -> None:
    reach.hear(died("n1", "rank 0 exited with status 1: RuntimeError: Connection closed by peer"))
    reach.hear(line)
    reason, killed = reach.cause_of_death([line], 137)
    assert reason.startswith("node ") and reason.endswith(" failed")
    assert killed, "what its ranks said is a consequence"


def test_when_srun_cannot_start_its_own_word_is_the_cause(reach: SrunReach) -> None:
    lines = ["srun: error: Unable to create step for job 3: Requested nodes are busy", "srun: error: later"]
    told = "srun exited with status 1: Unable to create step for job 3: Requested nodes are busy"
    assert reach.cause_of_death(lines, 1) == (told, False)
    assert reach.cause_of_death([], -9) == ("srun was ended by SIGKILL", True)


def test_nodes_that_slurm_tells_to_end_have_not_died(reach: SrunReach) -> None:
    reach.hear(node("n1", ended={"how": "told to end"}))
    assert reach.told_to_end


def test_a_node_that_is_told_to_end_because_another_died_says_nothing_of_the_job(reach: SrunReach) -> None:
    reach.hear(died("n2", "rank 1 exited with status 1"))
    reach.hear(node("n1", ended={"how": "told to end"}))
    assert not reach.told_to_end


class TestSession:
    """A whole session: a small program says what srun would carry here."""

    def run(
        self, reach: SrunReach, lines: list[str], then: str, passes: float = 0
    ) -> tuple[Ending, list[Any], str]:
        log, heard = io.StringIO(), []
        code = f"import sys, time\nfor line in {lines!r}: print(line, flush=True)\n{then}"
        now = [0.0]

        def on_event(message: dict[str, Any]) -> None:
            heard.append(message)
            now[0] += passes

        ending = run_session(
            [sys.executable, "-c", code],
            {},
            log,
            timeout_s=100,
            startup_timeout_s=1000,
            on_event=on_event,
            on_tick=lambda: None,
            reach=reach,
            clock=lambda: now[0],
        )
        return ending, heard, log.getvalue()

    def test_what_ranks_say_is_heard_and_why_they_died(self, reach: SrunReach) -> None:
        message = {"event": "ready", "rank": 9}
        lines = [
            node("n2", event=message),
            "srun: a word",
            died("n2", "rank 9 was ended by SIGKILL", killed=True),
        ]
        ending, heard, log = self.run(reach, lines, "sys.exit(137)")
        assert ending == Ending(DIED, "rank 9 on n2 was ended by SIGKILL", killed=True)
        assert heard == [message]
        assert log == "srun: a word\nn2: died rank 9 was ended by SIGKILL\n"

    def test_what_ranks_say_through_srun_is_progress(self, reach: SrunReach) -> None:
        lines = [node("n2", event={"event": "visit", "number": number}) for number in range(30)]
        assert self.run(reach, lines, "", passes=99)[0] == Ending(FINISHED)

    def test_ranks_that_hang_are_asked_through_their_step(
        self, reach: SrunReach, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        signalled: list[tuple[str, str]] = []
        monkeypatch.setattr(
            "harness.cluster.srun_reach.signal_step", lambda step, name: signalled.append((step, name))
        )
        monkeypatch.setattr("harness.cluster.srun_reach.STACKS_S", 0)
        lines = [node("n2", event={"event": "ready", "step": "41.7"})]
        ending, _, _ = self.run(reach, lines, "time.sleep(600)", passes=101)
        assert ending.how == TIMED_OUT
        assert signalled == [("41.7", "USR1"), ("41.7", "KILL")], "srun itself was ended by a signal"

    def test_each_node_has_temporary_files_of_its_own(self, reach: SrunReach) -> None:
        here = os.environ.get("TMPDIR")
        _, _, log = self.run(reach, [], "import os; print(os.environ.get('TMPDIR'))")
        assert log == f"{here}\n"
