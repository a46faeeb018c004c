"""The nodes of a job asked what they have, all of them: points measured on unlike ones would stand in one curve.

In: a Job, how its nodes are started. Out: what torch says of a node, as of a single machine, or HarnessError. Must not
know sessions, nor what is measured.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from ground.children import ask
from harness.cluster.first_words import first_words
from harness.cluster.jobs.job import Job
from harness.cluster.srun import inherited, node_python, srun_command
from harness.core.errors import ConfigError, HarnessError
from harness.core.processes.children import path_variables, python_module

PROBE = "harness-probe"


def ask_nodes(
    job: Job, environ: Mapping[str, str], more: Sequence[str], timeout_s: float
) -> dict[str, dict[str, Any]]:
    """Node -> what it says (harness.cluster.asked). more: further options of srun.

    Raises HarnessError where a node does not answer.
    """
    module = python_module("harness.cluster.asked", python=node_python(environ))
    command = srun_command(job, job.hosts, PROBE, module, more)
    try:
        done = ask(command, variables={**inherited(environ), **path_variables()}, timeout_s=timeout_s)
    except OSError as error:
        raise HarnessError(f"srun cannot be started: {error.strerror or error}") from None
    except subprocess.TimeoutExpired:
        raise HarnessError(
            f"the job's nodes have not said what they have within {timeout_s:g} s (launcher.startup_timeout_s)"
        ) from None
    found = dict(_answers(done.stdout))
    if silent := [host for host in job.hosts if host not in found]:
        said = first_words(done.stderr.splitlines()) or f"srun exited with status {done.returncode}"
        raise HarnessError(f"node {', '.join(silent)} cannot run this program: {said}")
    for node, about in found.items():
        if "error" in about["probe"]:
            raise HarnessError(f"node {node}: torch cannot be imported: {about['probe']['error']}")
    return found


def alike(found: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    """What torch says of one node, as all are like it; of devices and cores as many as each node has.

    Raises ConfigError where nodes differ in devices, torch or Python.
    """
    kinds: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for node, said in found.items():
        kinds[_kind(said)].append(node)
    if len(kinds) > 1:
        told = "; ".join(f"{', '.join(nodes)}: {', '.join(kind)}" for kind, nodes in kinds.items())
        raise ConfigError("launcher", "slurm", f"nodes that are alike, e.g. by sbatch --constraint; {told}")
    probes = [said["probe"] for said in found.values()]
    least = min(probes, key=lambda probe: len(probe["devices"]))
    return {**least, "cores": min(probe["cores"] for probe in probes)}


def _kind(said: Mapping[str, Any]) -> tuple[str, ...]:
    """What must be the same on all nodes, in words. A node without devices is not like one that has some."""
    names = sorted({device["name"] for device in said["probe"]["devices"]})
    devices = names or [f"no device that torch sees, {said['probe']['cpu_name']}"]
    return (*devices, f"torch {said['probe']['torch']}", f"Python {said['python']}")


def _answers(output: str) -> list[tuple[str, dict[str, Any]]]:
    found = []
    for line in output.splitlines():
        with contextlib.suppress(ValueError, TypeError, KeyError):
            said = json.loads(line)
            found.append((str(said["node"]), {"python": said["python"], "probe": dict(said["probe"])}))
    return found
