"""What a process is born without: devices that a variable hides, a loopback interface."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest
from running import command, environment

from harness.core.errors import ConfigError, HarnessError
from harness.core.visible import hidden_by
from harness.machine.environment import take_inventory
from harness.machine.loopback import check_loopback
from harness.plan.config import Config, DeviceConfig
from harness.plan.inventory import Inventory
from harness.plan.layout import make_plan

PROBE = {"torch": "2.14.1", "built_for_cuda": "13.0", "cpu_name": "a processor", "devices": []}
VALUES = ("", "-1", "8", "0,0", "NoDevFiles", "GPU-deadbeef")


@pytest.mark.parametrize("value", VALUES)
def test_the_variable_and_its_value_are_named_where_fewer_are_seen(
    value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = f"CUDA_VISIBLE_DEVICES={value}" if value else "CUDA_VISIBLE_DEVICES is set and empty"
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", value)
    monkeypatch.setattr("harness.machine.environment.nvidia_devices", lambda: 8)
    with pytest.raises(ConfigError) as refused:
        take_inventory(Config(device=DeviceConfig("cuda")), PROBE)
    assert f"{named}: 0 of 8 devices are seen" in str(refused.value)
    assert named in take_inventory(Config(), PROBE).hidden
    one = {**PROBE, "devices": [{"name": "a GPU"}]}
    seen = take_inventory(Config(device=DeviceConfig("cuda")), one)
    with pytest.raises(ConfigError, match="1 of 8 devices are seen"):
        make_plan(Config(depth=[2], width=[2], devices=[8]), seen)
    (reason,) = make_plan(
        Config(depth=[2], width=[2], devices=[8], mode=["eager"]), take_inventory(Config(), one)
    ).unsupported.values()
    assert named in reason


def test_where_all_are_seen_or_there_are_none_nothing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert hidden_by({}, 0, 8) == ""
    assert hidden_by({"CUDA_VISIBLE_DEVICES": "0,1"}, 2, 2) == ""
    assert hidden_by({"CUDA_VISIBLE_DEVICES": "0"}, 1, None) == "", "of how many is not known"
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    monkeypatch.setattr("harness.machine.environment.nvidia_devices", lambda: None)
    assert take_inventory(Config(), PROBE).hidden == ""
    assert Inventory("cpu", 2, "", 2).aside == ""


def test_this_machine_has_a_loopback_interface() -> None:
    check_loopback()


@pytest.mark.parametrize(("there", "said"), [({socket.AF_INET6}, "only ::1"), (set(), "no 127.0.0.1,")])
def test_without_it_that_is_said(there: set[int], said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.machine.loopback._is_there", lambda family: family in there)
    with pytest.raises(HarnessError, match=said):
        check_loopback()


# CLONE_NEWNET: with a loopback interface that is down.
IN_A_NETWORK_OF_ITS_OWN = """
import ctypes, os, sys
if ctypes.CDLL(None).unshare(0x40000000):
    sys.exit(77)
os.execv(sys.argv[1], sys.argv[1:])
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="network namespaces")
def test_a_sweep_says_so_before_it_starts(tmp_path: Path) -> None:
    sweep = command("sweep", "sweep=smoke", "device=cpu", "depth=[2]", "out=run")
    done = subprocess.run(
        [sys.executable, "-c", IN_A_NETWORK_OF_ITS_OWN, *sweep],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        encoding="utf-8",
        timeout=120,
    )
    if done.returncode == 77:
        pytest.skip("this user may not make a network namespace")
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert "no 127.0.0.1" in line
    assert not (tmp_path / "run").exists()
