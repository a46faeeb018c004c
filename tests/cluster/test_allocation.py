"""What a job was given. Needs no SLURM."""

from __future__ import annotations

import pytest

from harness.cluster.allocation import Allocation, job_name, run_name
from harness.core.errors import ConfigError


def test_outside_a_job_it_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"launcher=slurm: .*sbatch slurm/sweep\.sbatch"):
        Allocation.from_environment({})


def test_a_task_of_an_array_is_named_by_both_numbers() -> None:
    """scontrol requeue of the bare number of an array's last task would requeue every task."""
    environ = {"SLURM_JOB_ID": "44", "SLURM_ARRAY_JOB_ID": "41", "SLURM_ARRAY_TASK_ID": "3"}
    assert job_name(environ) == "41_3"
    assert run_name(environ) == "job-41"
    assert run_name({"SLURM_JOB_ID": "44"}) == "job-44"
    assert run_name({}) is None


def test_what_is_said_of_all_nodes_is_what_every_node_has() -> None:
    environ = {
        "SLURM_JOB_ID": "41",
        "SLURM_JOB_NODELIST": "a,b",
        "SLURM_JOB_CPUS_PER_NODE": "96(x2),64,48(x2)",
    }
    assert Allocation.from_environment(environ) == Allocation("41", ("a", "b"), "", None, 48)


def test_devices_are_counted_whatever_their_kind() -> None:
    environ = {"SLURM_JOB_ID": "41", "SLURM_JOB_NODELIST": "a", "SLURM_GPUS_PER_NODE": "a100:8"}
    given = Allocation.from_environment(environ)
    assert (given.gpus, given.gpu_count) == ("a100:8", 8)
