"""A job handed to SLURM: one, or an array of shards and the job that reports them all.

In: options of sbatch, overrides that were checked. Out: ids of jobs, or HarnessError. Must not know what is swept.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from ground.children import ask
from harness.cluster.submitting.sbatch_options import Words, of_script, seconds, warned_before_s
from harness.core.errors import ConfigError, HarnessError
from harness.core.files.revision import revision

SWEEP, ARRAY, REPORT = "slurm/sweep.sbatch", "slurm/array.sbatch", "slurm/report.sbatch"
# What is read of whoever submits: which cluster, and for whom.
KEPT_FOR_REPORT = ("SBATCH_ACCOUNT", "SBATCH_CLUSTERS", "SBATCH_QOS", "SBATCH_WCKEY", "SBATCH_EXPORT")
# Options of the report job, as words; a site's GPU partition and its time limit are the sweep's.
REPORT_OPTIONS = "HARNESS_REPORT_SBATCH"
# By which a job knows whether it runs the sources that it was submitted with.
REVISION = "HARNESS_SUBMITTED_REVISION"
# A start imports torch on every node and starts ranks before anything is measured: seconds that it takes at least.
START_S = 60
MEMORY_OTHERWISE = {"mem-per-cpu": "SBATCH_MEM_PER_CPU", "mem-per-gpu": "SBATCH_MEM_PER_GPU"}
_REACHES = ("SLURM_CONF", "SLURM_CONF_SERVER", "SLURM_JWT", "SLURM_CLUSTERS")


class NoJob(Exception):
    """sbatch has done what it was asked for, and that was to start no job; the message is what it says."""


def submit(words: Words, environ: Mapping[str, str]) -> str:
    """One job; answers its id. Raises NoJob."""
    _check_time(words, environ, SWEEP)
    with _script(SWEEP, words, environ) as script:
        return _sbatch([*words.options, script, *words.overrides], _own(environ))


def submit_shards(shards: int, words: Words, environ: Mapping[str, str]) -> tuple[str, str]:
    """An array, and the report of all its shards; answers both ids. Raises NoJob."""
    _check_time(words, environ, ARRAY)
    if words.value("array") is not None:
        raise ConfigError("--array", words.value("array"), "not beside a number of shards, which is one")
    with _script(ARRAY, words, environ) as script:
        array = _sbatch([f"--array=1-{shards}", *words.options, script, *words.overrides], _own(environ))
    # afterany and not afterok: shards that failed cost their points, not the report of the others.
    options = [f"--dependency=afterany:{array}"]
    for name in ("account", "clusters", "qos"):
        if value := words.value(name):
            options.append(f"--{name}={value}")
    options += shlex.split(environ.get(REPORT_OPTIONS, ""))
    own = _own(environ)
    kept = {name: own[name] for name in own if not name.startswith("SBATCH_") or name in KEPT_FOR_REPORT}
    return array, _sbatch([*options, REPORT, array], kept)


@contextlib.contextmanager
def _script(path: str, words: Words, environ: Mapping[str, str]) -> Iterator[str]:
    """The batch script; where memory is asked for by CPU or GPU, a copy without --mem, beside which sbatch takes none.

    sbatch has read it when it answers.
    """
    if not any(words.value(name) or environ.get(variable) for name, variable in MEMORY_OTHERWISE.items()):
        yield path
        return
    lines = Path(path).read_text(encoding="utf-8").splitlines(keepends=True)
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", suffix=".sbatch") as copy:
        copy.writelines(line for line in lines if not line.startswith("#SBATCH --mem="))
        copy.flush()
        yield copy.name


def _check_time(words: Words, environ: Mapping[str, str], script: str) -> None:
    """A job that is signalled before it can have measured anything is started again and again.

    Raises ConfigError.
    """
    head = of_script(Path(script).read_text(encoding="utf-8"))
    time = words.value("time") or environ.get("SBATCH_TIMELIMIT") or head.value("time")
    signal = words.value("signal") or environ.get("SBATCH_SIGNAL") or head.value("signal")
    limit, warned = seconds(time) if time else None, warned_before_s(signal)
    if limit is not None and limit < warned + START_S:
        least = (warned + START_S) / 60
        raise ConfigError(
            "--time",
            time,
            f"{least:g} minutes at least: the job is signalled {warned:g} s before its end (--signal), and a start "
            f"takes {START_S} s or more before it measures",
        )


def _own(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment to submit in. A job inherits it: that of another job, within which this may run, says of arrays,
    nodes and counts what is not so."""
    own = {name: value for name, value in environ.items() if name in _REACHES or not _is_of_a_job(name)}
    return {**own, REVISION: revision()}


def _is_of_a_job(name: str) -> bool:
    return name.startswith(("SLURM_", "SLURMD_", "SRUN_", "SALLOC_"))


def _sbatch(words: Sequence[str], environ: Mapping[str, str]) -> str:
    """Answers the job's id. Raises HarnessError with what sbatch says."""
    try:
        done = ask(["sbatch", "--parsable", *words], variables=environ)
    except OSError as error:
        raise HarnessError(
            f"sbatch: {os.strerror(error.errno) if error.errno else error}: no SLURM here"
        ) from None
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if line.strip()]
        raise HarnessError("; ".join(said) or f"sbatch exited with status {done.returncode}")
    # The id alone, with the cluster's name after a semicolon where there are several.
    job = done.stdout.strip().rpartition("\n")[2].partition(";")[0]
    if not job:  # --test-only and the like
        raise NoJob("; ".join(done.stderr.split("\n")).strip("; ") or "sbatch has started no job")
    return job
