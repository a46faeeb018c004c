"""Fitting: constants of made-up devices are found again, and errors are told on shapes that were not fitted on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from node import load_profile

from emulator.__main__ import main
from emulator.__main__ import path_of as profile_file
from emulator.fitting.fit import fit
from emulator.fitting.held_out import held_out
from emulator.fitting.modelled import errors_by_type, model_errors, modelled
from emulator.fitting.tables import Tables, half, read_tables
from emulator.fitting.written import written
from emulator.libraries import EmulatorError
from emulator.profile import Profile, profile_of
from emulator.times.collectives import Protocol
from emulator.times.device import all_reduce_us, other_us, product_us
from emulator.times.kernels import KernelTimes, bytes_of
from emulator.times.products import ProductTimes

ADD = "void at::native::vectorized_elementwise_kernel<4, at::native::CUDAFunctor_add<float>, at::det"
SUM = "void at::native::reduce_kernel<512, 1, at::native::ReduceOp<float, at::native::func_wrapper"


def device() -> Profile:
    """One that no table was made of, with constants of its own."""
    real = load_profile("v100x8")
    products = {name: ProductTimes(4.0, 0.7, 12.0, 0.25, 2.5, 1.3) for name in real.products}
    kernels = {kind: KernelTimes(3.0, 0.8) for kind in real.kernels} | {
        "reduction": KernelTimes(5.0, 0.5, 1.5)
    }
    protocols = [Protocol(9.0, 1.0, 20.0), Protocol(25.0, 2.0, 120.0)]
    return replace(real, products=products, kernels=kernels, protocols=protocols, collective_floor_us=12.0)


def tables_of(folder: Path, noise: float = 0.0) -> list[Path]:
    """Tables as others publish them, of that device."""
    draw, of = np.random.default_rng(5), device()
    m, n, k = np.exp2(draw.uniform(4, 12, (3, 160))).astype(int)
    us = product_us(of, m, n, k, 1, "float32") * np.exp(noise * draw.standard_normal(160))
    products = pd.DataFrame({"dtype": "float32", "batch": 1, "m": m, "n": n, "k": k, "duration_us": us})
    rows = []
    for name, kind in ((ADD, "elementwise"), (SUM, "reduction")):
        for blocks in np.unique(np.exp2(draw.uniform(0, 16, 60)).astype(int)):
            moved = bytes_of(name, np.float64(blocks), np.float64(128))
            took = float(other_us(of, kind, moved, np.float64(blocks))) * np.exp(
                noise * draw.standard_normal()
            )
            rows.append({"kernel": name, "grid": f"{blocks}x1x1", "block": "128x1x1", "duration_us": took})
    links = pd.DataFrame([(r, 2**p) for r in (2, 4, 8) for p in range(12, 28)], columns=["ranks", "bytes"])
    links["duration_us"] = all_reduce_us(of, links["bytes"].to_numpy(float), links["ranks"].to_numpy(float))
    links["devices_per_node"] = 8
    paths = []
    for name, table in (("products", products), ("kernels", pd.DataFrame(rows)), ("links", links)):
        paths.append(folder / f"{name}.csv")
        table.to_csv(paths[-1], index=False)
    return paths


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Tables:
    return read_tables(tables_of(tmp_path_factory.mktemp("tables")))


@pytest.fixture(scope="module")
def fitted(tables: Tables) -> Profile:
    return fit(load_profile("v100x8"), tables)


def test_a_fit_says_what_the_device_takes(tables: Tables, fitted: Profile) -> None:
    errors = errors_by_type(modelled(fitted, tables))
    before = errors_by_type(modelled(load_profile("v100x8"), tables))
    assert errors["median_percent"].max() < 3
    assert (before["median_percent"] > 3 * errors["median_percent"]).sum() >= len(errors) - 1


def test_constants_are_found_again_where_they_show(fitted: Profile) -> None:
    assert fitted.kernels["elementwise"].floor_us == pytest.approx(3.0, rel=0.05)
    assert fitted.kernels["elementwise"].share == pytest.approx(0.8, rel=0.05)
    assert fitted.kernels["reduction"].root_us == pytest.approx(1.5, rel=0.2)
    assert fitted.products["float32"].share == pytest.approx(0.7, rel=0.1)


def test_a_number_format_without_rows_takes_the_constants_of_the_nearest_peak(fitted: Profile) -> None:
    before = load_profile("v100x8").products
    assert fitted.products["float64"] == fitted.products["tf32"] == fitted.products["float32"]
    assert (
        fitted.products["float16"] == before["float16"] != fitted.products["float32"]
    )  # other units of an SM


def test_rows_of_one_shape_are_in_one_half_whatever_else_is_there(tables: Tables) -> None:
    for rows in tables.parts().values():
        twice = pd.concat([rows, rows.head(7)], ignore_index=True)
        assert twice.assign(half=half(twice)).groupby("shape")["half"].nunique().max() == 1
        assert 0.2 < half(rows).mean() < 0.8
        assert half(rows.tail(5)).tolist() == half(rows).tail(5).tolist()


def test_errors_are_those_of_rows_that_were_not_fitted_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a fit that knows its own rows by heart and nothing of others."""
    found = read_tables(tables_of(tmp_path)[:1])
    seen: list[set[str]] = []

    def by_heart(profile: Profile, own: Tables) -> Profile:
        seen.append(set(own.products["shape"]))
        return replace(profile, jitter_seed=len(seen))

    def told(profile: Profile, own: Tables) -> Tables:
        assert not seen[profile.jitter_seed - 1] & set(own.products["shape"])
        return own

    monkeypatch.setattr("emulator.fitting.held_out.fit", by_heart)
    monkeypatch.setattr("emulator.fitting.held_out.modelled", told)
    joined = held_out(load_profile("v100x8"), found)
    assert len(seen) == 2 and sorted(joined.products["shape"]) == sorted(found.products["shape"])


def test_the_spread_of_noise_is_told_as_the_models_error(tmp_path: Path) -> None:
    found = modelled(device(), read_tables(tables_of(tmp_path, noise=0.2)))
    error = model_errors(found)["others"]
    assert error.low == pytest.approx(np.exp(-1.645 * 0.2), rel=0.15)
    assert error.high == pytest.approx(np.exp(1.645 * 0.2), rel=0.15)
    assert error.shapes == len(found.kernels)


def test_a_written_profile_keeps_the_words_of_what_was_not_fitted(fitted: Profile) -> None:
    text = profile_file("v100x8").read_text(encoding="utf-8")
    found = written(text, fitted, {"products": "Fitted to a made-up table.", "kernels": "Fitted too."})
    again = profile_of(yaml.safe_load(found))
    assert again.products == fitted.products and again.kernels == fitted.kernels
    assert again.protocols == load_profile("v100x8").protocols
    assert "# Fitted to a made-up table.\nproducts:" in found
    for line in text.splitlines():
        if line.startswith("# ") and "power" in line:
            assert line in found


def test_fit_and_check_from_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paths = tables_of(tmp_path)
    told = tmp_path / "told.csv"
    told.write_text("key,value_us\nqueued_gap_us,1.25\nlaunch_latency_us,6.5\n")
    out = tmp_path / "mine.yaml"
    tried = [*map(str, paths[1:]), str(told), "--profile", "v100x8"]
    assert main(["fit", *tried, "--out", str(out)]) == 0
    assert "not fitted on" in capsys.readouterr().out
    mine = load_profile(str(out))
    assert (mine.queued_gap_us, mine.launch_latency_us) == (1.25, 6.5)
    assert mine.errors["others"].shapes > 20
    assert "harness trace --calibrate" in out.read_text()
    table = tmp_path / "checked.csv"
    assert main(["check", *map(str, paths), "--profile", str(out), "--csv", str(table)]) == 0
    assert "under 15 us" in capsys.readouterr().out
    rows = pd.read_csv(table)
    assert len(rows) == sum(len(pd.read_csv(path)) for path in paths)
    kernels = rows[rows["table"] == "kernels"]
    assert (kernels["modelled_us"] / kernels["measured_us"] - 1).abs().median() < 0.05


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no table of kernels"),
        ("a,b\n1,2\n", "duration_us"),
        ("a,duration_us\n1,2\n", "m, n, k"),
        ("dtype,m,n,k,duration_us\nfloat8,1,1,1,2\n", "float8"),
        ("key,value_us\nweather,3\n", "weather"),
    ],
)
def test_what_is_no_table_is_refused_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, said: str
) -> None:
    path = tmp_path / "table.csv"
    path.write_text(text)
    with pytest.raises(EmulatorError, match=said):
        read_tables([path])
    assert main(["check", str(path), "--profile", "v100x8"]) == 2
    assert capsys.readouterr().err.count("\n") == 1
