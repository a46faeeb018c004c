"""Sweeps on an emulated node from the command line: what they leave, what faults become, what is refused."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from node import require_node
from running import command, environment, one_quick

Harness = Callable[..., "subprocess.CompletedProcess[str]"]

SMALL = (
    *("width=[32]", "batch=[1]", "mode=[eager,script]", "device=emulated", "out=run"),
    *("timing.block_ms=1", "timing.builds=1", "timing.rounds=6", "timing.visit_rounds=6"),
    *("timing.sessions=1", "timing.max_sessions=1"),
    "monitor=ranks",
)


@pytest.fixture(autouse=True)
def _node() -> None:
    require_node()


def points(folder: Path) -> pd.DataFrame:
    return pd.read_csv(folder / "run" / "points.csv", keep_default_na=False, na_values=[""])


def sweep(harness: Harness, *overrides: str, status: int = 0, **variables: str) -> str:
    done = harness("sweep", *SMALL, *overrides, **variables)
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout + done.stderr


def records(folder: Path, pattern: str) -> list[dict[str, Any]]:
    lines = [line for path in (folder / "run/raw").glob(pattern) for line in path.read_text().splitlines()]
    return [json.loads(line) for line in lines]


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a sweep over one and two devices, forward and train."""
    require_node()
    folder = tmp_path_factory.mktemp("small")
    done = subprocess.run(
        command("sweep", *SMALL, "depth=[2]", "devices=[1,2]", "workload=[forward,train]"),
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (folder / "printed").write_text(done.stdout)
    return folder


@pytest.mark.long
class TestASweep:
    @pytest.mark.long
    def test_eight_ranks_all_measure_and_the_report_says_that_the_host_was_oversubscribed(
        self, harness: Harness, tmp_path: Path
    ) -> None:
        printed = sweep(harness, "depth=[2]", "devices=[8]", "workload=[forward,train]", "mode=[eager]")
        table = points(tmp_path)
        assert set(table["status"]) == {"ok"}
        rounds = [r for r in records(tmp_path, "processes-8-try1-rank*.jsonl") if r["type"] == "session"]
        assert sorted(r["rank"] for r in rounds) == list(range(8))
        assert len({r["pid"] for r in rounds}) == 8
        cores = json.loads((tmp_path / "run/environment.json").read_text())["cpu"]["cores_usable"]
        if cores < 8:
            assert all("oversubscribed" in warnings.split(";") for warnings in table["warnings"])
            assert "oversubscribed" in (tmp_path / "run/report.md").read_text()
            assert "oversubscribed" in printed

    def test_nothing_of_it_can_be_taken_for_a_measurement(self, small: Path) -> None:
        table = points(small)
        assert set(table["status"]) == {"ok"}
        assert set(table["device_kind"]) == {"emulated"}
        assert all("emulated" in warnings.split(";") for warnings in table["warnings"])
        assert all(name.startswith("Emulated ") for name in table["device_name"])
        figures = list((small / "run/figures").glob("*.svg"))
        assert figures
        assert all("EMULATED" in path.read_text() for path in figures)
        for page in ("report.html", "report.md"):
            assert "EMULATED" in (small / "run" / page).read_text()
        assert "EMULATED" in (small / "printed").read_text()

    def test_device_time_share_and_feedable_devices_are_filled(self, small: Path) -> None:
        table = points(small)
        for column in ("issue_us", "device_us", "dispatch_share", "feedable_devices"):
            assert table[column].notna().all(), column
        assert table["dispatch_share"].between(0, 1).all()
        # The same kernels in both modes and on both devices; under train with a second rank the all-reduce on top.
        forward = table[table["workload"] == "forward"].groupby("depth")["device_us"]
        assert (forward.max() / forward.min() < 1.02).all()

    def test_the_node_is_gone_when_the_sweep_is(self, harness: Harness) -> None:
        printed = harness("sweep", *SMALL, "depth=[2]", "dry_run=true").stdout
        node = next(w.split("=", 1)[1] for w in printed.split() if w.startswith("EMULATOR_NODE="))
        assert not Path(node).parent.exists()


class TestFaults:
    @pytest.mark.long
    def test_out_of_memory_on_a_device_is_an_oom_row_and_the_others_are_measured(
        self, harness: Harness, tmp_path: Path
    ) -> None:
        # 16 layers of 4,096 are 1.1 GB.
        sweep(
            harness, "hidden=null", "depth=[2,16]", "width=[4096]", "devices=[1]", "emulator.memory_mib=600"
        )
        table = points(tmp_path)
        assert table.groupby("depth")["status"].unique().map(set).to_dict() == {2: {"ok"}, 16: {"oom"}}
        assert table.loc[table["depth"] == 16, "error"].str.contains("out of memory").all()

    @pytest.mark.long
    def test_an_allocation_that_fails_once_costs_one_cell(self, harness: Harness, tmp_path: Path) -> None:
        sweep(harness, "depth=[2,3]", "devices=[2]", EMULATOR_FAULTS="oom:device=1", EMULATOR_TRACE="")
        of_depth = points(tmp_path).groupby("depth")["status"].unique().map(set)
        # Which one is built first is drawn.
        assert sorted("oom" in found for found in of_depth) == [False, True]
        assert {"ok"} in list(of_depth)

    @pytest.mark.long
    def test_a_launch_that_fails_breaks_its_session_and_the_next_one_goes_on(
        self, harness: Harness, tmp_path: Path
    ) -> None:
        sweep(harness, "depth=[2,3]", "devices=[1]", EMULATOR_FAULTS="launch:device=0,after=30")
        table = points(tmp_path)
        failed = table[table["status"] == "failed"]
        assert len(failed) == 1
        assert "unspecified launch failure" in failed["error"].iloc[0]
        assert set(table["status"]) == {"failed", "ok"}
        assert len(list((tmp_path / "run/raw").glob("processes-1-try*-rank0.jsonl"))) == 2

    @pytest.mark.long
    def test_a_lost_device_fails_what_needs_it_and_nothing_else(
        self, harness: Harness, tmp_path: Path
    ) -> None:
        sweep(harness, "depth=[2]", "devices=[1,2]", EMULATOR_FAULTS="lost:device=1,after=10")
        table = points(tmp_path)
        assert table.groupby("devices")["status"].unique().map(set).to_dict() == {1: {"ok"}, 2: {"failed"}}
        assert table.loc[table["devices"] == 2, "error"].str.contains("busy or unavailable").all()

    @pytest.mark.long
    def test_a_collective_that_never_completes_is_a_timeout_and_the_sweep_goes_on(
        self, harness: Harness, tmp_path: Path
    ) -> None:
        sweep(
            harness,
            *("depth=[2,3]", "devices=[2]", "workload=[train]", "timeout_s=8"),
            EMULATOR_FAULTS="hang:device=1,after=12",
        )
        of_depth = points(tmp_path).groupby("depth")["status"].unique().map(set)
        # Which one is measured first, and hangs, is drawn.
        assert sorted("timeout" in found for found in of_depth) == [False, True]
        assert {"ok"} in list(of_depth)

    @pytest.mark.long
    def test_a_slow_device_shows_in_device_time_and_spread(self, harness: Harness, tmp_path: Path) -> None:
        overrides = ("depth=[4]", "width=[2048]", "batch=[4096]", "devices=[1,2]", "mode=[eager]")
        sweep(harness, *overrides, EMULATOR_FAULTS="slow:device=1,factor=2")
        alone, with_straggler = (row for _, row in points(tmp_path).sort_values("devices").iterrows())
        assert with_straggler["device_us"] == pytest.approx(2 * alone["device_us"], rel=0.02)
        assert with_straggler["rank_spread"] > 0.5

    def test_a_fault_that_there_is_not_is_refused_in_one_line(self, harness: Harness) -> None:
        done = harness("sweep", *SMALL, "depth=[2]", EMULATOR_FAULTS="flood:device=0")
        assert done.returncode != 0
        assert "flood" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("overrides", "named"),
    one_quick(
        (["device=emulated", "emulator=none"], "emulator=none"),
        (["device=emulated", "emulator=v900x8"], "emulator=v900x8"),
        (["emulator=v100x8"], "emulator="),
        (["device=emulated", "emulator.sms=0"], "emulator.sms=0"),
        (["device=emulated", "emulator.devices=17"], "emulator.devices=17"),
        (["device=emulated", "emulator.products.float32.share=0"], "emulator.products.float32.share=0"),
        (["device=emulated", "emulator.flop_s.float32=fast"], "emulator.flop_s.float32=fast"),
        (["device=emulated", "emulator.color=red"], "emulator.color=red"),
        (["device=emulated", "devices=[9]"], "devices=9"),
    ),
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_bad_input_is_one_line_that_names_it(harness: Harness, overrides: list[str], named: str) -> None:
    done = harness("sweep", "sweep=smoke", *overrides)
    assert done.returncode == 2, done.stdout + done.stderr
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, done.stderr
    assert named in lines[0] and "allowed:" in lines[0]


@pytest.mark.long
def test_a_burst_that_overfills_the_launch_queue_is_flagged(harness: Harness, tmp_path: Path) -> None:
    """As if the queue were thought four times as long as it is. The device is held for as long as a slow host needs to
    fill it, and a block is longer than the burst, which is no longer than a block."""
    (tmp_path / "too_long.py").write_text(
        "import harness.devices.launch_queue\nharness.devices.launch_queue.BURST_LAUNCHES = 4096\n"
        "import harness.timing.bursts\n"
        "harness.timing.bursts.MOST_HOLD_NS = 1_000_000_000\n"
    )
    sweep(
        harness,
        *("depth=[16]", "devices=[1]", "mode=[eager]", "plugins=[too_long]", "timing.block_ms=200"),
        PYTHONPATH=str(tmp_path),
    )
    assert points(tmp_path)["warnings"].str.contains("back_pressure").all()


@pytest.mark.long
def test_every_rung_of_the_ladder_is_measured(harness: Harness, tmp_path: Path) -> None:
    """Counting launches by a capture spoiled AOTInductor's container once, as it would on a real GPU."""
    few = ("depth=[4]", "batch=[1]", "timing.sessions=1", "timing.max_sessions=1", "out=run", "timeout_s=900")
    done = harness("sweep", "sweep=ladder", "device=emulated", "monitor=none", *few, timeout=900)
    assert done.returncode == 0, done.stdout + done.stderr
    found = points(tmp_path).set_index("mode")
    assert set(found["status"]) == {"ok"}, found[["status", "error"]].to_string()
    assert found.loc["aoti", "launches"] > 0
