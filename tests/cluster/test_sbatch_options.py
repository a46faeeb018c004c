"""Options of sbatch told apart from overrides, in every form that sbatch takes. Needs no SLURM."""

from __future__ import annotations

import pytest

from harness.cluster.submitting.sbatch_options import Words, of_script, seconds, told_apart, warned_before_s
from harness.core.errors import ConfigError


@pytest.mark.parametrize(
    "options",
    [
        ["-p", "high"],
        ["-phigh"],
        ["--partition", "high"],
        ["--partition=high"],
        ["--part", "high"],
        ["-N2", "-t", "10"],
        ["-HN", "2"],
        ["--exclusive", "--time", "1:00"],
        ["--exclusive=user"],
        ["--excl"],
        ["--no-requeue", "-Q"],
        ["--wait-all-nodes", "1"],
        ["--comment", "a=b"],
        ["--export", "NONE"],
    ],
    ids=" ".join,
)
def test_options_go_to_sbatch_with_their_values(options: list[str]) -> None:
    found = told_apart(["depth=[4]", *options, "sweep=p3dn", "+plugins=[x]"])
    assert found == Words(options, ["depth=[4]", "sweep=p3dn", "+plugins=[x]"])


@pytest.mark.parametrize(
    "options", [["-t", "10"], ["-t10"], ["--time", "10"], ["--time=10"], ["--ti=10"], ["-Ht", "10"]]
)
def test_the_last_value_counts(options: list[str]) -> None:
    assert told_apart(["--time=5", *options]).value("time") == "10"
    assert told_apart(options).value("signal") is None


def test_the_head_of_a_script() -> None:
    text = (
        "#!/bin/bash\n##SBATCH --partition=gpu\n#SBATCH --time=04:00:00\n#SBATCH --signal=B:USR1@180 # why\n"
    )
    assert of_script(text).value("time") == "04:00:00"
    assert warned_before_s(of_script(text).value("signal")) == 180
    assert of_script(text).value("partition") is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        *(("30", 1800), ("30:15", 1815), ("1:00:00", 3600), ("1-0", 86400), ("1-2:30", 95400)),
        *(("1-2:30:10", 95410), ("UNLIMITED", None), ("0", None)),
    ],
)
def test_time_limits(text: str, expected: float | None) -> None:
    assert seconds(text) == expected


@pytest.mark.parametrize("text", ["1h", "", "1:2:3:4", "-5"])
def test_what_is_no_time_limit(text: str) -> None:
    with pytest.raises(ConfigError, match="--time"):
        seconds(text)


@pytest.mark.parametrize(
    ("signal", "expected"), [(None, 0), ("USR1", 60), ("B:USR1@180", 180), ("R:TERM@5", 5)]
)
def test_when_a_job_is_warned(signal: str | None, expected: float) -> None:
    assert warned_before_s(signal) == expected
