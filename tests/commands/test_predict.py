"""`harness predict` as a user has it, on run directories made up with known times."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from raw_runs import RawRun, cell_of

from harness.commands.predict import main
from harness.core.emulated import load_profile
from harness.core.errors import ConfigError
from harness.costs.contention import Contention, Slowed
from harness.costs.curve import FLOPS, Curve
from harness.costs.forecast import COLUMNS, forecast
from harness.costs.step import Error, Line, ModeCost
from harness.costs.target import Target
from harness.kernels.shape import Shape
from harness.kernels.step import device_us, launches

LAYER_NS = {"eager": 9000, "script": 3000}
# Issued before there is any layer.
STEP_NS = 4000


def a_run(
    folder: Path,
    *,
    workload: str = "forward",
    depths: tuple[int, ...] = (4, 16, 64),
    device_kind: str = "cpu",
) -> Path:
    """A run in which a step takes 4 us and a layer 9 us (script: 3 us), and 0.1 us a sample and layer."""
    run = RawRun(folder, device_kind=device_kind)
    cells = [
        cell_of(
            model=f"mlp-64x{depth}",
            sizes=(64,) * (depth + 1),
            depth=depth,
            width=64,
            batch=batch,
            workload=workload,
        )
        for depth in depths
        for batch in (1, 16, 256, 4096)
    ]
    run.plan(*cells)
    writers = run.begin("processes-1-try1")
    for cell in cells:
        point = cell.points[0]

        def step_ns(
            mode: str, rank: int, number: int, depth: int = point.depth, batch: int = point.batch
        ) -> int:
            return STEP_NS + depth * (LAYER_NS[mode] + 100 * batch)

        run.measure(writers, cell, step_ns=step_ns, steps=10)
    for writer in writers:
        writer.close()
    (folder / "config.yaml").write_text(yaml.safe_dump({"name": "made-up", "scaling": "weak"}))
    (folder / "environment.json").write_text(json.dumps({}))
    return folder


def predicted(folder: Path, *arguments: str) -> pd.DataFrame:
    assert main([str(folder), *arguments]) == 0
    return pd.read_csv(folder / "predicted.csv", keep_default_na=False, na_values=[""])


@pytest.fixture(scope="module")
def cpu_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return a_run(tmp_path_factory.mktemp("predict") / "run")


@pytest.fixture(scope="module")
def on_h100(cpu_run: Path) -> pd.DataFrame:
    return predicted(cpu_run, "--profile", "h100x8", "--devices", "1,8,64,1024")


def rows(table: pd.DataFrame, **values: Any) -> pd.DataFrame:
    for name, value in values.items():
        table = table[table[name] == value]
    return table


def test_the_table_has_a_row_per_cell_and_the_error_in_each(on_h100: pd.DataFrame) -> None:
    assert list(on_h100.columns) == list(COLUMNS)
    assert set(on_h100["devices"]) == {1, 8, 64, 1024}
    assert set(on_h100["controller"]) == {"processes", "threads", "loop"}
    assert (on_h100["median_error"] < 0.02).all()
    assert (on_h100["error_cells"] == 12).all()
    assert on_h100["p90_error"].notna().all()


def test_figures_are_written_beside_it(cpu_run: Path, on_h100: pd.DataFrame) -> None:
    names = {path.stem for path in (cpu_run / "figures").glob("*.svg")}
    assert "predicted-against-measured" in names
    assert any(name.startswith("predicted-utilisation") for name in names)
    assert any(name.startswith("predicted-bound") for name in names)


def test_device_time_is_the_profiles_and_issue_is_the_hosts_with_its_launches(on_h100: pd.DataFrame) -> None:
    profile = load_profile("h100x8")
    row = rows(on_h100, mode="eager", depth=16, batch=256, devices=1, controller="processes").iloc[0]
    shape = Shape((64,) * 17, 256)
    assert row["device_us"] == pytest.approx(device_us(shape, profile), rel=1e-4)
    calls = launches(shape, "eager") * profile.launch_host_us
    assert row["issue_us"] == pytest.approx(4 + 16 * 9 + calls, rel=0.02)


def test_a_loop_feeds_the_devices_of_its_node_and_no_others(on_h100: pd.DataFrame) -> None:
    cell = rows(on_h100, mode="eager", depth=64, batch=1, controller="loop").set_index("devices")
    assert cell.loc[8, "step_us"] == pytest.approx(8 * cell.loc[1, "issue_us"], rel=1e-3)
    assert cell.loc[1024, "step_us"] == cell.loc[8, "step_us"]
    assert cell.loc[1024, "nodes"] == 128


def test_a_step_is_the_longer_of_issue_and_device(on_h100: pd.DataFrame) -> None:
    own = rows(on_h100, controller="processes")
    assert own["step_us"].tolist() == pytest.approx(
        own[["issue_us", "device_us"]].max(axis=1).tolist(), rel=1e-4
    )
    assert own["utilisation"].tolist() == pytest.approx(
        (own["device_us"] / own["step_us"]).tolist(), rel=1e-4
    )
    assert ((own["feedable_devices"] < 1) == (own["dispatch_bound"] == "yes")).all()


def test_the_batch_from_which_on_a_mode_is_free_is_where_the_bound_ends(
    cpu_run: Path, on_h100: pd.DataFrame
) -> None:
    until = int(
        rows(on_h100, mode="script", depth=16, devices=8, controller="loop")["bound_until_batch"].iloc[0]
    )
    asked = ["--profile", "h100x8", "--devices", "8", "--depth", "16", "--controller", "loop"]
    table = predicted(cpu_run, *asked, "--batch", f"{until - 1},{until}")
    assert rows(table, mode="script").set_index("batch")["dispatch_bound"].to_dict() == {
        until - 1: "yes",
        until: "no",
    }


def test_by_default_batches_go_on_until_no_mode_is_bound(on_h100: pd.DataFrame) -> None:
    assert on_h100["batch"].min() == 1
    assert (rows(on_h100, batch=on_h100["batch"].max())["dispatch_bound"] == "no").all()


def test_without_a_profile_the_runs_own_device_is_predicted(cpu_run: Path, tmp_path: Path) -> None:
    asked = ["--depth", "16,128", "--batch", "256", "--devices", "1", "--out", str(tmp_path)]
    assert main([str(cpu_run), *asked]) == 0
    table = pd.read_csv(tmp_path / "predicted.csv", keep_default_na=False)
    eager = rows(table, mode="eager", controller="processes").set_index("depth")
    assert eager.loc[16, "step_us"] == pytest.approx(4 + 16 * (9 + 25.6), rel=0.02)
    assert eager.loc[16, "extrapolated"] == ""
    assert eager.loc[128, "extrapolated"] == "depth"


def test_more_ranks_of_the_runs_own_machine_than_were_measured_are_extrapolated(
    cpu_run: Path, tmp_path: Path
) -> None:
    asked = ["--depth", "16", "--batch", "256", "--devices", "1,8", "--out", str(tmp_path)]
    assert main([str(cpu_run), *asked]) == 0
    table = pd.read_csv(tmp_path / "predicted.csv", keep_default_na=False)
    assert set(rows(table, devices=1)["extrapolated"]) == {""}
    assert set(rows(table, devices=8)["extrapolated"]) == {"devices"}


def test_ranks_of_the_runs_own_machine_slow_each_other_and_those_of_another_do_not() -> None:
    slowed = Contention({("processes", 2): Slowed(2.0, 1.5)})
    cost = ModeCost(
        mode="eager",
        workload="forward",
        dtype="float32",
        autograd="inference",
        device_kind="cpu",
        threads=1,
        issue=Line(4.0, 9.0),
        work=Curve({FLOPS: 10.0}, layer_adds=True),
        synchronous=True,
        locked=True,
        seen={"depth": (4, 64), "width": (64, 64), "per_device": (1, 4096)},
        error=Error(0.05, 0.1, 24),
        contention=slowed,
    )
    issue, work = 4 + 16 * 9, 16 * 2 * 64**3 / 1e6 * 10
    for name, of, expected in (
        ("own", None, {1: (issue, work), 2: (2 * issue, 1.5 * work), 4: (2 * issue, 1.5 * work)}),
        ("another", load_profile("v100x8"), {1: (issue, None), 2: (issue, None), 4: (issue, None)}),
    ):
        target = Target(name, 8, of)
        table = forecast([cost], [(64,) * 17], [64], [1, 2, 4], ["processes"], target).set_index("devices")
        for devices, (host, device) in expected.items():
            assert table.loc[devices, "issue_us"] == pytest.approx(host)
            if device is not None:
                assert table.loc[devices, "device_us"] == pytest.approx(device)
                assert table.loc[devices, "step_us"] == pytest.approx(host + device)
        assert table["extrapolated"].to_dict() == {1: "", 2: "", 4: "" if of else "devices"}


def test_training_pays_for_the_all_reduce_and_more_between_nodes(tmp_path: Path) -> None:
    run = a_run(tmp_path / "run", workload="train")
    asked = ["--profile", "v100x8", "--width", "4096", "--batch", "1", "--depth", "16", "--devices", "1,8,64"]
    table = rows(predicted(run, *asked), mode="script", controller="processes").set_index("devices")
    bytes_ = 16 * (4096 * 4096 + 4096) * 4
    assert table.loc[1, "allreduce_us"] == 0
    # Some 40 buckets, each with its latency.
    assert table.loc[8, "allreduce_us"] == pytest.approx(2 * 7 / 8 * bytes_ / 130e3, rel=0.1)
    assert table.loc[64, "allreduce_us"] > 8 * table.loc[8, "allreduce_us"]
    slow = predicted(run, *asked, "--network-gb-s", "1.25").query("devices == 64")["allreduce_us"]
    assert (slow > 5 * table.loc[64, "allreduce_us"]).all()
    # On the run's own device the links are not known.
    alone = predicted(run, "--devices", "1,8")
    assert set(alone["devices"]) == {1}


def test_the_terminal_leads_with_the_error(cpu_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main([str(cpu_run), "--profile", "h100x8", "--devices", "1", "--depth", "256"])
    told = " ".join(capsys.readouterr().out.split())
    assert told.startswith("Predicted for NVIDIA H100 80GB HBM3, not measured. The model is off by")
    assert "extrapolated: depth outside of what was fitted" in told
    assert "predicted.csv" in told


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--profile", "b200"], "a100x8, h100x8, h200x8, v100x8"),
        (["--devices", "1,two"], "whole numbers"),
        (["--devices", "0"], "whole numbers"),
        (["--devices", "8.0"], "whole numbers"),
        (["--batch", ""], "whole numbers"),
        (["--controller", "everyone"], "processes, threads, loop"),
        (["--network-gb-s", "-1"], "above 0"),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_line(cpu_run: Path, arguments: list[str], told: str) -> None:
    with pytest.raises(ConfigError) as refused:
        main([str(cpu_run), *arguments])
    assert told in str(refused.value)
    assert "\n" not in str(refused.value)
    assert arguments[0] in str(refused.value)


def test_what_is_no_run_or_cannot_be_fitted_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="a run directory"):
        main([str(tmp_path)])
    nothing = RawRun(tmp_path / "nothing")
    cell = cell_of()
    nothing.plan(cell)
    nothing.outcome(cell.points[0].key, "failed", "broken")
    with pytest.raises(ConfigError, match="at least one point that is ok"):
        main([str(tmp_path / "nothing")])
    few = RawRun(tmp_path / "few")
    few.plan(cell)
    few.session("processes-1-try1", [cell])
    with pytest.raises(ConfigError, match="1 of at least 4 cells"):
        main([str(tmp_path / "few")])
    blind = a_run(tmp_path / "blind", device_kind="cuda")
    with pytest.raises(ConfigError, match="issue_us"):
        main([str(blind), "--profile", "h100x8"])
    assert not (blind / "predicted.csv").exists()
