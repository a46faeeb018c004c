"""What a job is, by what scontrol of SLURM 22.05 says of it, and not by what was inherited. Needs no SLURM."""

from __future__ import annotations

from pathlib import Path

import pytest
from fake_commands import Commands
from made_jobs import identity

from harness.cluster.jobs import job as job_module
from harness.cluster.jobs.job import Identity, read_job, this_job
from harness.core.errors import HarnessError

HEAD = "JobId={id} {array}JobName={name} UserId=me(0) GroupId=me(0) "
REST = (
    "JobState={state} Requeue=1 Restarts={restarts} BatchFlag=1 TimeLimit=04:00:00 SubmitTime={submitted} "
    "Partition=all NodeList={nodes} BatchHost=n1 NumNodes=2 NumCPUs=32 CPUs/Task=1 JOB_GRES=gpu:16 {given}"
    "MinCPUsNode=1 Command=/home/me/sweep.sbatch SubmitTime=7 TresPerNode=gres:gpu:8 "
)
ALIKE = "  Nodes=n[1-2] CPU_IDs=0-15 Mem=0 GRES=gpu:8(IDX:0-7) "


def line(**fields: object) -> str:
    known = {
        **{"id": 41, "array": "", "name": "harness", "state": "RUNNING", "restarts": 0, "submitted": 1000},
        **{"nodes": "n[1-2]", "given": ALIKE},
    }
    return (HEAD + REST).format(**{**known, **fields})


class TestReading:
    def test_a_job_of_two_nodes(self) -> None:
        job = read_job(line(), "41", "c")
        assert job is not None
        assert job.identity == Identity("c", "41", 1000, 0)
        assert (job.hosts, job.gpus, job.cpus) == (("n1", "n2"), (8, 8), (16, 16))

    def test_a_task_of_an_array_is_named_by_both_numbers(self) -> None:
        """scontrol requeue of the bare number of an array's last task would requeue every task."""
        text = line(id=43, array="ArrayJobId=41 ArrayTaskId=1 ") + "\n"
        text += line(id=41, array="ArrayJobId=41 ArrayTaskId=3 ", submitted=5)
        last = read_job(text, "41", "c")
        assert last is not None
        assert (last.identity.name, last.identity.number, last.identity.submitted) == ("41_3", "41", 5)

    def test_tasks_that_have_not_begun_are_no_job(self) -> None:
        text = line(array="ArrayJobId=41 ArrayTaskId=3-5%2 ", state="PENDING")
        assert read_job(text, "41", "c") is None

    def test_nodes_of_several_kinds(self) -> None:
        given = (
            "  Nodes=n1 CPU_IDs=0-31,64-95 Mem=0 GRES=gpu:a100:4(IDX:0-3),shard:2 "
            "  Nodes=n[2-3] CPU_IDs=5 Mem=1 GRES= "
        )
        job = read_job(line(given=given, nodes="n[1-3]"), "41", "c")
        assert job is not None
        assert (job.gpus, job.cpus) == ((4, 0, 0), (64, 1, 1))

    @pytest.mark.parametrize(
        "name", ["a b ArrayJobId=59 ArrayTaskId=1", "x SubmitTime=5 JobId=7", "UserId=me"]
    )
    def test_a_jobs_own_name_says_nothing_else(self, name: str) -> None:
        job = read_job(line(name=name), "41", "c")
        assert job is not None
        assert job.identity == Identity("c", "41", 1000, 0)

    @pytest.mark.parametrize(
        "text", ["", "JobId=", "slurm_load_jobs error: Invalid job id specified", "\n\n"]
    )
    def test_what_says_nothing_is_no_job(self, text: str) -> None:
        assert read_job(text, "41", "c") is None


class TestThisJob:
    """SLURM as small programs: a job's environment is whatever its submitter had."""

    @pytest.fixture(autouse=True)
    def _slurm(self, commands: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
        self.commands = commands
        monkeypatch.setattr(job_module, "PAUSES_S", (0, 0))
        self.say(line())

    def say(self, text: str) -> None:
        self.commands.make("squeue", "exit 0")
        self.commands.make(
            "scontrol",
            f'case "$*" in "show config") echo "ClusterName = c";; *show*job*41) cat <<"X"\n{text}\nX\n;; '
            "*) exit 1;; esac",
        )

    def test_another_jobs_array_is_not_believed(self) -> None:
        """A job that was submitted within an array's task asked about that task, and requeued it."""
        inherited = {"SLURM_ARRAY_JOB_ID": "59", "SLURM_ARRAY_TASK_ID": "1", "SLURM_JOB_NODELIST": "gpu[01-"}
        job = this_job({**inherited, "SLURM_JOB_ID": "41", "SLURM_CPUS_PER_TASK": "1"})
        assert job is not None
        assert (job.identity.name, job.hosts, job.cpus) == ("41", ("n1", "n2"), (16, 16))

    @pytest.mark.parametrize(
        "environ",
        [
            {},
            {"SLURM_ARRAY_JOB_ID": "59"},
            {"SLURM_JOB_ID": ""},
            {"SLURM_JOB_ID": "41; scancel 1"},
            {"SLURM_JOB_ID": "42"},
            {"SLURM_JOB_ID": "41", "SLURMD_NODENAME": "n7"},
        ],
        ids=str,
    )
    def test_what_is_no_part_of_a_job(self, environ: dict[str, str]) -> None:
        assert this_job(environ) is None

    def test_a_shell_that_has_outlived_its_job(self) -> None:
        self.say(line(state="COMPLETED"))
        assert this_job({"SLURM_JOB_ID": "41"}) is None

    @pytest.mark.parametrize("patient", [False, True])
    def test_a_controller_that_does_not_answer_is_not_guessed_at(self, patient: bool) -> None:
        for name in ("squeue", "scontrol"):
            self.commands.make(name, "exit 1")
        with pytest.raises(HarnessError, match="does not say what this job is"):
            this_job({"SLURM_JOB_ID": "41"}, patient=patient)

    def test_without_slurm_there_is_no_job(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "none").mkdir()
        monkeypatch.setenv("PATH", str(tmp_path / "none"))
        assert this_job({"SLURM_JOB_ID": "41"}) is None


class TestIdentity:
    def test_plain_and_back(self) -> None:
        assert Identity.of(identity("41_2", restarts=3).plain()) == identity("41_2", restarts=3)

    @pytest.mark.parametrize(
        "plain", [None, {}, {"name": "41"}, {**identity().plain(), "submitted": "x"}], ids=str
    )
    def test_what_is_none(self, plain: object) -> None:
        assert Identity.of(plain) is None

    @pytest.mark.parametrize(
        ("before", "now", "may"),
        [
            (identity(), identity(), True),
            (identity(), identity(submitted=2000, restarts=1), True),
            (identity("41_1"), identity("41_2"), True),
            (identity("41_1", 2000, 1), identity("41_2", 1000), True),
            # The controller has begun to count anew.
            (identity(), identity(submitted=2000), False),
            (identity(submitted=2000), identity(submitted=1000), False),
            (identity(cluster="there"), identity(), False),
            (identity("40"), identity("41"), False),
        ],
    )
    def test_what_may_be_of_the_same_job(self, before: Identity, now: Identity, may: bool) -> None:
        assert before.may_be(now) is may
