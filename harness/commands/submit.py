"""The command `harness submit`: a sweep checked on the login node, then handed to SLURM.

In: arguments. Out: jobs, an exit status. Must not know how jobs are submitted, nor what they do.
"""

from __future__ import annotations

import os
from pathlib import Path

from harness.cluster.submitting.sbatch_options import Words, told_apart
from harness.cluster.submitting.submission import NoJob, submit, submit_shards
from harness.commands.composed.checked import checked
from harness.core.errors import ConfigError, UsageError
from harness.plan.config import Config
from harness.records.files import results_folder

USAGE = """usage: slurm/submit [SHARDS] [SBATCH OPTIONS] [OVERRIDES]

  slurm/submit sweep=p3dn timing=precise                   one job
  slurm/submit --nodes=2 sweep=scaling 'devices=[1,8,16]'  options of sbatch, in any of its forms
  slurm/submit 4 -p high --time=01:00:00 sweep=p3dn        an array of 4 shards, and a job that reports them

What is wrong with the sweep is said here, and not after hours in the queue. Prints the ids of the jobs, and the
folder of their report."""


def main(arguments: list[str]) -> int:
    if arguments in (["-h"], ["--help"]):
        print(USAGE)
        return 0
    if not arguments:
        raise UsageError(f"which sweep? sweep=dispatch is the one of `make sweep`\n{USAGE}")
    shards, words = _shards(arguments)
    config, unchecked = checked([*words.overrides, "launcher=slurm"] if _is_new(words) else words.overrides)
    if config.dry_run:
        raise ConfigError("dry_run", True, "harness sweep launcher=slurm dry_run=true, which starts no job")
    for text in unchecked:
        print(text)
    try:
        return _submit(shards, words, config)
    except NoJob as said:
        print(said)
        return 0


def _submit(shards: int | None, words: Words, config: Config) -> int:
    if shards is None:
        job = submit(words, os.environ)
        print(f"job: {job}\nreport in: {_folder(words, config, job)}")
        return 0
    for key in ("out", "resume", "shard"):
        if getattr(config, key) is not None:
            allowed = "nothing beside a number of shards, each of which has a part and a folder of its own"
            raise ConfigError(key, getattr(config, key), allowed)
    array, report = submit_shards(shards, words, os.environ)
    print(f"array of {shards} shards: {array}\nreport: {report}\nreport in: {_folder(words, config, array)}")
    return 0


def _folder(words: Words, config: Config, job: str) -> Path:
    named = config.out or next((word[7:] for word in words.overrides if word.startswith("resume=")), None)
    return Path(named) if named else results_folder() / config.name / f"job-{job}"


def _shards(arguments: list[str]) -> tuple[int | None, Words]:
    first = arguments[0]
    if first.startswith("-") or "=" in first or not first:
        words = told_apart(arguments)
        if late := [word for word in words.overrides if word.isdecimal()]:
            raise UsageError(f"{late[0]}: a number of shards stands before all else\n{USAGE}")
        return None, words
    if not first.isdecimal() or not 1 <= int(first) <= 9999:
        raise UsageError(
            f"{first}: a number of shards from 1 to 9999, or KEY=VALUE, must stand here\n{USAGE}"
        )
    return int(first), told_apart(arguments[1:])


def _is_new(words: Words) -> bool:
    """A run that is gone on with brings its launcher along."""
    return not any(word.startswith("resume=") for word in words.overrides)
