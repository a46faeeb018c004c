"""A sweep is checked before it waits in a queue. A small program in place of sbatch; in one test, no torch."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from running import TESTS, command, environment

from harness.commands.cli import INSTALL

CHECKOUT = TESTS.parent
ONE_JOB = "job: 7\nreport in: results/smoke/job-7\n"
OF_THREE = "array of 3 shards: 7\nreport: 7\nreport in: results/smoke/job-7\n"


@pytest.fixture
def submit(tmp_path: Path):
    """Runs slurm/submit with an sbatch that writes down its words and what it inherits."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "sbatch").write_text(
        f'#!/bin/sh\nfor word in "$@"; do printf "[%s]" "$word"; done >> {tmp_path}/called\necho >> {tmp_path}/called\n'
        f'env | grep -E "^(SLURM_|SBATCH_|HARNESS_SUB)" >> {tmp_path}/inherited\necho "7;cluster"\n'
    )
    (folder / "sbatch").chmod(0o755)

    def run(*words: str, **variables: str) -> tuple[int, str, list[str]]:
        done = subprocess.run(
            [str(CHECKOUT / "slurm" / "submit"), *words],
            cwd=tmp_path,
            env={
                **environment(),
                "HARNESS_PYTHON": sys.executable,
                "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}",
                **variables,
            },
            capture_output=True,
            text=True,
            timeout=120,
        )
        called = tmp_path / "called"
        return (
            done.returncode,
            done.stdout + done.stderr,
            called.read_text().splitlines() if called.exists() else [],
        )

    return run


def test_one_job(submit) -> None:
    status, said, called = submit("-p", "high", "--nodes=2", "sweep=smoke", "devices=[1,16]", "-t10")
    assert (status, said) == (0, ONE_JOB)
    options = "[--parsable][-p][high][--nodes=2][-t10]"
    assert called == [f"{options}[slurm/sweep.sbatch][sweep=smoke][devices=[1,16]]"]


def test_shards_and_their_report(submit, tmp_path: Path) -> None:
    site = {"SBATCH_PARTITION": "gpu", "SBATCH_TIMELIMIT": "02:00:00", "SBATCH_ACCOUNT": "mine"}
    inherited = {"SLURM_ARRAY_JOB_ID": "59", "SLURM_CPUS_PER_TASK": "1", "SLURM_CONF": "/x/slurm.conf"}
    more = {"HARNESS_REPORT_SBATCH": "--partition=cpu"}
    status, said, called = submit("3", "--qos", "low", "sweep=smoke", **site, **inherited, **more)
    assert (status, said) == (0, OF_THREE)
    assert called == [
        "[--parsable][--array=1-3][--qos][low][slurm/array.sbatch][sweep=smoke]",
        "[--parsable][--dependency=afterany:7][--qos=low][--partition=cpu][slurm/report.sbatch][7]",
    ]
    of_jobs = (tmp_path / "inherited").read_text()
    assert of_jobs.count("SBATCH_PARTITION=gpu") == 1, "the report has no GPU partition"
    assert of_jobs.count("SBATCH_TIMELIMIT") == 1
    assert of_jobs.count("SBATCH_ACCOUNT=mine") == 2
    assert "SLURM_ARRAY" not in of_jobs and "SLURM_CPUS" not in of_jobs
    assert "SLURM_CONF=/x/slurm.conf" in of_jobs
    assert "HARNESS_SUBMITTED_REVISION=" in of_jobs


def test_memory_by_cpu_takes_the_place_of_all_of_a_nodes(submit) -> None:
    _, _, called = submit("--mem-per-cpu=2G", "sweep=smoke")
    assert called[0].startswith("[--parsable][--mem-per-cpu=2G][/"), "a script without --mem"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("device=gpu",), "device=gpu"),
        (("sweep=nope",), "sweep=nope"),
        (("--time=00:03:30", "sweep=smoke"), "the job is signalled 180 s before its end"),
        (("--time=soon",), "--time=soon: not allowed"),
        (("2", "out=x", "sweep=smoke"), "out=x: not allowed"),
        (("2", "resume=x"), "resume=x"),
        (("2", "--array=1-4", "sweep=smoke"), "--array=1-4: not allowed"),
        (("depth=[0]",), "depth"),
        (("nope",), "a number of shards from 1 to 9999"),
        (("0", "sweep=smoke"), "a number of shards"),
        (("dry_run=true",), "launcher=slurm dry_run=true"),
        (("plugins=[no_such_module]",), "no_such_module"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_what_is_wrong_is_said_before_the_queue(submit, words: tuple[str, ...], said: str) -> None:
    status, told, called = submit(*words)
    assert status == 2
    assert said in told and "Traceback" not in told
    assert called == []


def test_what_starts_no_job_says_what_sbatch_says(submit, tmp_path: Path) -> None:
    (tmp_path / "bin" / "sbatch").write_text("#!/bin/sh\necho 'sbatch: Job 7 to start at noon' >&2\n")
    assert submit("--test-only", "sweep=smoke")[:2] == (0, "sbatch: Job 7 to start at noon\n")
    assert submit("3", "--test-only", "sweep=smoke")[:2] == (0, "sbatch: Job 7 to start at noon\n")


@pytest.mark.parametrize(
    "words", [(), ("0", "sweep=smoke"), ("--time=00:30:00", "2", "sweep=smoke")], ids=" ".join
)
def test_how_it_is_used_is_shown_line_by_line(submit, words: tuple[str, ...]) -> None:
    status, said, called = submit(*words)
    assert (status, called) == (2, [])
    assert "\nusage: slurm/submit [SHARDS] [SBATCH OPTIONS] [OVERRIDES]\n\n  slurm/submit" in said


def test_a_python_without_packages_is_one_line(submit, tmp_path: Path) -> None:
    (tmp_path / "hydra.py").write_text(
        "raise ModuleNotFoundError(\"No module named 'hydra'\", name='hydra')\n"
    )
    status, said, called = submit("sweep=smoke", PYTHONPATH=str(tmp_path))
    assert (status, called) == (1, [])
    assert said == f"harness: error: {sys.executable} has no hydra; {INSTALL}\n"


def test_a_login_node_without_torch(submit, tmp_path: Path) -> None:
    (tmp_path / "torch.py").write_text(
        "raise ModuleNotFoundError(\"No module named 'torch'\", name='torch')\n"
    )
    (tmp_path / "with_torch.py").write_text("import torch\n")
    without = {"PYTHONPATH": str(tmp_path)}
    assert submit("sweep=smoke", **without)[:2] == (0, ONE_JOB)
    assert submit("device=gpu", **without)[0] == 2


def test_a_login_node_with_another_python_than_the_nodes(submit) -> None:
    only_there = {"HARNESS_PYTHON": "/only/on/nodes/python"}
    assert submit("sweep=smoke", **only_there, HARNESS_LOGIN_PYTHON=sys.executable)[:2] == (0, ONE_JOB)
    status, said, called = submit("sweep=smoke", **only_there, HARNESS_LOGIN_PYTHON="/nowhere/python")
    assert (status, len(called)) == (2, 1)  # by the one before
    assert said.startswith("/nowhere/python: no such Python; 'make login'")


class TestDryRun:
    """What a job would do, planned where it is submitted."""

    def run(self, *words: str) -> tuple[int, str]:
        done = subprocess.run(
            command("sweep", "launcher=slurm", "dry_run=true", *words),
            env=environment(),
            capture_output=True,
            text=True,
            timeout=120,
        )
        return done.returncode, done.stdout + done.stderr

    def test_nothing_says_what_nodes_have(self) -> None:
        status, said = self.run("sweep=p3dn")
        assert status == 2
        assert "emulator=NAME" in said and "like=RUN" in said

    @pytest.mark.parametrize(
        ("written", "nodes"),
        [
            ({"device_kind": "cpu", "devices_present": 8}, 2),
            ({"device_kind": "cpu", "devices_present": 4}, 4),
        ],
        ids=str,
    )
    def test_as_many_devices_as_the_nodes_of_a_run(
        self, tmp_path: Path, written: dict[str, object], nodes: int
    ) -> None:
        """A run's own node of 8 was forgotten for this one's cores."""
        about = {"torch": {"devices": []}, "cpu": {"cores_usable": 2}, "device_name": "a CPU", **written}
        (tmp_path / "environment.json").write_text(json.dumps(about))
        status, said = self.run("sweep=smoke", "device=cpu", "devices=[1,9,16]", f"like={tmp_path}")
        assert status == 0, said
        assert f"slurm/submit --nodes={nodes} " in said
        assert "run directory: results/smoke/job-<its number>\n" in said

    def test_ranks_on_the_cpus_of_nodes_with_gpus(self) -> None:
        status, said = self.run("sweep=smoke", "device=cpu", "devices=[1,16]", "emulator=v100x8")
        assert status == 0, said
        assert "on cpu: the CPU beside Tesla V100-SXM2-32GB (8 present)\n" in said
        assert "slurm/submit --nodes=2 " in said

    def test_nodes_like_a_profile(self) -> None:
        """It estimated 68.7 hours of its own CPU."""
        status, said = self.run("sweep=scaling", "emulator=v100x8", "devices=[1,8,16]")
        assert status == 0, said
        assert "on cuda: " in said and "(8 present)" in said
        checked, alone = said.rstrip().splitlines()[-2:]
        assert checked.startswith("to submit it, checked: slurm/submit --nodes=2 --time=0")
        assert alone.startswith("by sbatch alone: sbatch --nodes=2 --time=0")
        assert alone.endswith("slurm/sweep.sbatch sweep=scaling 'devices=[1,8,16]'")
        assert "unsupported here: 0" in said

    def test_nodes_like_those_of_a_run(self, tmp_path: Path) -> None:
        assert self.run("sweep=smoke", f"like={tmp_path}")[0] == 2
        run = tmp_path / "run"
        run.mkdir()
        (run / "environment.json").write_text(
            '{"device_name": "GPU", "cpu": {"cores_usable": 32}, "torch": {"torch": "2.14", "cpu_name": "CPU", '
            '"built_for_cuda": "12", "devices": [{"name": "GPU"}, {"name": "GPU"}]}}'
        )
        status, said = self.run("sweep=smoke", f"like={run}", "devices=[1,4]")
        assert status == 0, said
        assert "slurm/submit --nodes=2 --gpus-per-node=2 --time=0" in said
