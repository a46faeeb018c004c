"""What cannot be measured on a machine, and why."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from plans import CPU, FOUR_GPUS, plan_of

from harness.core.errors import ConfigError
from harness.modes import get_mode
from harness.plan.config import Config, DeviceConfig
from harness.plan.inventory import Inventory
from harness.plan.layout import make_plan


class TestMachine:
    def test_more_ranks_than_cores_are_run_where_that_is_allowed(self) -> None:
        plan = plan_of(devices=[1, 2, 8], oversubscribe=True)
        assert not plan.unsupported
        assert [s.devices for s in plan.sessions] == [1, 2, 8]

    def test_more_ranks_than_cores_are_unsupported_where_it_is_not(self) -> None:
        plan = plan_of(devices=[1, 2, 3], oversubscribe=False)
        assert [s.devices for s in plan.sessions] == [1, 2]
        assert set(plan.unsupported) == {p.key for p in plan.points if p.devices == 3}
        assert all("3 ranks" in r and "2 cores present" in r for r in plan.unsupported.values())

    def test_threads_need_cores_too(self) -> None:
        plan = plan_of(devices=[1, 2], oversubscribe=False, device=DeviceConfig(threads=2))
        assert [s.devices for s in plan.sessions] == [1]

    def test_absent_gpus_are_rows_with_a_reason_under_auto(self) -> None:
        plan = plan_of(FOUR_GPUS, devices=[1, 4, 8])
        assert [s.devices for s in plan.sessions] == [1, 4]
        assert set(plan.unsupported.values()) == {"8 devices asked for, 4 present"}
        assert len(plan.points) == 9, "an unsupported point is a point"

    def test_absent_gpus_are_refused_where_cuda_was_asked_for(self) -> None:
        with pytest.raises(ConfigError) as caught:
            plan_of(replace(FOUR_GPUS, explicit=True), devices=[1, 8])
        assert (caught.value.key, caught.value.value) == ("devices", 8)
        assert "1 to 4" in caught.value.allowed

    def test_gpus_do_not_run_out_of_cores(self) -> None:
        plan = plan_of(replace(FOUR_GPUS, cores=1), devices=[4], oversubscribe=False)
        assert not plan.unsupported

    def test_asking_for_the_cpu_by_name_refuses_no_number_of_ranks(self) -> None:
        assert plan_of(replace(CPU, explicit=True), devices=[8]).sessions[0].ranks == 8


class TestAllocation:
    """What a SLURM job was given: nodes with so many devices each, and no more."""

    GIVEN = replace(FOUR_GPUS, count=8, nodes=2, allocated=True, explicit=True)

    def reasons(self, inventory: Inventory = GIVEN, **axes: Any) -> dict[int, str]:
        config = Config(**{"depth": [2], "width": [8], "mode": ["eager"], **axes})
        plan = make_plan(config, inventory)
        return {p.devices: plan.unsupported[p.key] for p in plan.points if p.key in plan.unsupported}

    def test_a_session_has_as_few_nodes_as_have_its_devices(self) -> None:
        assert [self.GIVEN.nodes_for(devices) for devices in (1, 8, 9, 16)] == [1, 1, 2, 2]
        assert FOUR_GPUS.nodes_for(16) == 1, "without a job there is one node, whatever is asked for"

    def test_what_the_job_has_not_is_unsupported_and_not_refused(self) -> None:
        told = "17 devices asked for, 16 in the allocation (2 nodes with 8 each)"
        assert self.reasons(devices=[1, 8, 16, 17]) == {17: told}
        assert self.reasons(replace(self.GIVEN, nodes=1), devices=[9]) == {
            9: "9 devices asked for, 8 in the allocation (1 node with 8 each)"
        }

    def test_cpu_ranks_are_limited_by_it_too(self) -> None:
        given = replace(CPU, count=2, nodes=2, allocated=True)
        assert list(self.reasons(given, devices=[2, 4, 5])) == [5]

    @pytest.mark.parametrize("controller", ["threads", "loop"])
    def test_one_process_drives_the_devices_of_one_node(self, controller: str) -> None:
        assert list(self.reasons(devices=[8, 9], controller=[controller])) == [9]

    def test_cores_are_those_of_all_its_nodes(self) -> None:
        given = replace(CPU, count=2, cores=2, nodes=2, allocated=True)
        assert self.reasons(given, devices=[2, 4], oversubscribe=False) == {}


def test_a_mode_that_cannot_say_whether_it_can_run_costs_its_own_points_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def raising(**asked: object) -> None:
        raise ValueError("odd")

    monkeypatch.setattr(get_mode("script"), "unsupported", raising)
    plan = plan_of(mode=["eager", "script"])
    assert {p.mode for p in plan.points if p.key in plan.unsupported} == {"script"}
    assert all("mode script" in why and "ValueError: odd" in why for why in plan.unsupported.values())
