"""All nodes of a job are asked what they have. Small programs in place of SLURM's commands."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest
from fake_commands import Commands
from made_jobs import job

from harness.cluster.nodes import alike, ask_nodes
from harness.core.errors import ConfigError, HarnessError


def said(*devices: str, torch: str = "2.14", python: str = "3.11.1", cores: int = 8) -> dict[str, Any]:
    probe = {"torch": torch, "cpu_name": "CPU", "devices": [{"name": d} for d in devices], "cores": cores}
    return {"python": python, "probe": probe}


def test_nodes_that_are_alike_have_what_each_of_them_has() -> None:
    found = alike({"n1": said("A", "A", cores=8), "n2": said("A", cores=4)})
    assert (len(found["devices"]), found["cores"]) == (1, 4)


@pytest.mark.parametrize(
    "other", [said("B"), said("A", "B"), said(), said("A", torch="2.13"), said("A", python="3.12.0")]
)
def test_unlike_nodes_are_refused(other: dict[str, Any]) -> None:
    """The first node alone was asked: points of two kinds of GPU stood in one curve."""
    with pytest.raises(ConfigError, match=r"nodes that are alike.*n1: A, .*n2: "):
        alike({"n1": said("A"), "n2": other})


def answer(node: str) -> str:
    return json.dumps({"node": node, **said("A")})


def test_every_node_answers(commands: Commands) -> None:
    commands.make("srun", f"echo noise; echo '{answer('n2')}'; echo '{answer('n1')}'")
    assert sorted(ask_nodes(job("n1 n2"), os.environ, [], 60)) == ["n1", "n2"]
    assert "--jobid=41 --nodes=2 --ntasks=2" in commands.called


def test_a_node_that_does_not_is_named_with_its_reason(commands: Commands) -> None:
    told = "slurmstepd: error: execve(): /x/python: No such file or directory"
    commands.make("srun", f"echo '{answer('n1')}'; echo '{told}' >&2; exit 2")
    with pytest.raises(
        HarnessError, match=r"node n2 cannot run this program: execve\(\): /x/python: No such"
    ):
        ask_nodes(job("n1 n2"), os.environ, [], 60)


def test_nodes_that_never_answer(commands: Commands) -> None:
    commands.make("srun", "exec sleep 60")
    with pytest.raises(HarnessError, match=r"within 0\.3 s"):
        ask_nodes(job("n1"), os.environ, [], 0.3)


def test_a_torch_that_cannot_be_imported(commands: Commands) -> None:
    broken = json.dumps({"node": "n1", "python": "3.11.1", "probe": {"error": "ImportError: libx"}})
    commands.make("srun", f"echo '{broken}'")
    with pytest.raises(HarnessError, match="node n1: torch cannot be imported: ImportError: libx"):
        ask_nodes(job("n1"), os.environ, [], 60)
