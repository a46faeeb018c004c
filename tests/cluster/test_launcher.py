"""How sessions are started on nodes of a job. Needs no SLURM."""

from __future__ import annotations

from pathlib import Path

import pytest
from made_jobs import job

from emulator.profile import Profile
from harness.cluster.jobs import slurm_commands
from harness.cluster.launcher import SlurmLauncher
from harness.cluster.srun_reach import SrunReach
from harness.core.errors import ConfigError
from harness.plan.config import Config, DeviceConfig, LauncherConfig
from harness.plan.inventory import Inventory
from harness.plan.points import Session

APART, ONE_MACHINE = ["10.0.0.1", "10.0.0.2"], ["127.0.0.1", "127.0.0.1"]
NODE = Profile("Emulated GPU", 8, "7.0", 80, 1500.0, 32000, 800.0)
SESSION = Session(16, "processes", ())


def slurm(
    monkeypatch: pytest.MonkeyPatch,
    addresses: list[str],
    emulator: Profile | None = None,
    gpus: int = 8,
    device: str = "cpu",
    **options: object,
) -> SlurmLauncher:
    monkeypatch.setattr(slurm_commands, "addresses_of", lambda hosts: addresses)
    launcher = LauncherConfig(kind="slurm", **options)  # type: ignore[arg-type]
    config = Config(launcher=launcher, emulator=emulator, device=DeviceConfig(device, threads=2))
    return SlurmLauncher(config, job("n1 n2", str(gpus), "64"))


class TestInventory:
    def test_gpus_are_those_that_torch_sees_on_each_node(self, monkeypatch: pytest.MonkeyPatch) -> None:
        given = slurm(monkeypatch, APART).inventory(Inventory("cuda", 4, "GPU", 64))
        assert (given.count, given.nodes, given.allocated) == (4, 2, True)

    def test_cpu_ranks_are_as_many_as_gpus_or_as_have_their_cores(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        cpu = Inventory("cpu", 64, "CPU", 64)
        assert slurm(monkeypatch, APART).inventory(cpu).count == 8
        assert slurm(monkeypatch, APART, gpus=0).inventory(cpu).count == 32

    def test_gpus_that_torch_does_not_see_are_no_reason_to_measure_the_cpu(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A job with 8 GPUs measured CPUs for hours, and ended well."""
        cpu = Inventory("cpu", 64, "CPU", 64)
        with pytest.raises(
            ConfigError, match=r"device=auto: .* device=cpu, .* 8 on each node, and torch sees none"
        ):
            slurm(monkeypatch, APART, device="auto").inventory(cpu)
        # As an interactive job that was given none, since nobody asked for any.
        with pytest.raises(ConfigError, match=r"device=auto: .* it has none \(--gpus-per-node=8\)"):
            slurm(monkeypatch, APART, device="auto", gpus=0).inventory(cpu)

    def test_the_user_may_say_otherwise(self, monkeypatch: pytest.MonkeyPatch) -> None:
        launcher = slurm(monkeypatch, APART, devices_per_node=2)
        for kind in ("cpu", "cuda"):
            assert launcher.inventory(Inventory(kind, 4, "x", 64)).count == 2

    def test_an_emulated_node_has_no_network_to_another_machine(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        launcher = slurm(monkeypatch, APART, NODE)
        given = launcher.inventory(Inventory("emulated", 8, "x", 64))
        assert (given.count, given.nodes) == (8, 1)
        assert launcher.node_config().emulator == NODE

    def test_where_all_nodes_are_one_machine_it_is_cut_into_as_many(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        launcher = slurm(monkeypatch, ONE_MACHINE, NODE)
        made = launcher.node_config().emulator
        assert made is not None
        assert made.devices == 16
        given = launcher.inventory(Inventory("emulated", 16, "x", 64))
        assert (given.count, given.nodes) == (8, 2)
        start = launcher.start(SESSION, "s", Path("/run/s"), 2, print)
        assert start.variables["HARNESS_NODE_SLICE"] == "8"


class TestStart:
    def test_between_nodes_no_interface_is_forced(self, monkeypatch: pytest.MonkeyPatch) -> None:
        start = slurm(monkeypatch, APART).start(SESSION, "s", Path("/run/s"), 2, print)
        assert not {"GLOO_SOCKET_IFNAME", "NCCL_SOCKET_IFNAME"} & set(start.variables)
        assert start.variables["HARNESS_NODE_RANKS"] == "8,8"
        assert isinstance(start.reach, SrunReach)

    def test_on_one_node_all_stays_on_the_loopback_interface(self, monkeypatch: pytest.MonkeyPatch) -> None:
        start = slurm(monkeypatch, APART).start(SESSION, "s", Path("/run/s"), 1, print)
        assert {"GLOO_SOCKET_IFNAME", "NCCL_SOCKET_IFNAME"} <= set(start.variables)

    def test_options_that_the_user_names_are_srun_s(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert LauncherConfig().srun_args == []
        named = slurm(monkeypatch, APART, srun_args=["--container-image=x.sqsh"])
        assert "--container-image=x.sqsh" in named.start(SESSION, "s", Path("/run/s"), 2, print).command

    def test_the_port_is_a_new_one_for_every_session(self, monkeypatch: pytest.MonkeyPatch) -> None:
        launcher = slurm(monkeypatch, APART)
        ports = {
            next(w for w in launcher.start(SESSION, "s", Path("/r"), 2, print).command if "endpoint" in w)
            for _ in range(5)
        }
        assert len(ports) > 1
        assert all(port.startswith("--rdzv-endpoint=10.0.0.1:") for port in ports)
