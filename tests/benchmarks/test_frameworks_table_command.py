"""The README's table of frameworks is what a command writes of a run's points."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pytest

from benchmarks.frameworks_table import HEAD, main, table_of
from harness.environments.frameworks import FRAMEWORKS

README = (Path(__file__).resolve().parents[2] / "README.md").read_text(encoding="utf-8").splitlines()
SECONDS = r"\d[\d.]*(?: \[\d[\d.]*, \d[\d.]*\])?"
OTHERS = rf"`\w+` {SECONDS}(?:, `\w+` {SECONDS})*"
TITLES = "|".join(re.escape(each.title) for each in FRAMEWORKS.values())
ROW = re.compile(rf"\| (?:{TITLES}) [\w.+-]+(?: \([\w.-]+\))? \|(?: {SECONDS})? \|(?: {OTHERS})? \|")


def points() -> pd.DataFrame:
    """Two frameworks in one cell, and a third without a time."""
    common = {
        **{"model": "mlp-8-4-2", "depth": 2, "width": 4, "batch": 1, "devices": 1, "nodes": 1},
        **{"controller": "processes", "workload": "forward", "dtype": "float32", "autograd": "inference"},
        **{"device_kind": "cpu", "device_name": "a CPU", "saved_as": "", "error": "", "warnings": ""},
    }
    rows = [
        ("jax", "eager", "imperative", "0.10.2", 230.0),
        ("jax", "jit", "hybrid", "0.10.2", 14.1),
        ("pytensor", "graph_c", "symbolic", "2.38.2", 11.6),
        ("cntk", "graph", "symbolic", "", float("nan")),
    ]
    return pd.DataFrame(
        {
            **{**common, "environment": name, "framework": name, "framework_version": version, "mode": mode},
            **{"style": style, "key": f"{name}{mode}", "status": "ok" if step > 0 else "unsupported"},
            **{
                "step_us": step,
                "step_us_low": step * 0.9,
                "step_us_high": step * 1.1,
                "throughput_samples_s": 1.0,
            },
            **{"speedup_vs_eager": 1.0, "speedup_low": 1.0, "speedup_high": 1.0, "needs_python": "yes"},
        }
        for name, mode, style, version, step in rows
    )


def test_a_row_a_framework_the_fastest_first_with_seconds_of_a_thousand_calls() -> None:
    assert table_of(points()) == [
        *HEAD,
        "| PyTensor 2.38.2 | | `graph_c` 0.0116 [0.0104, 0.0128] |",
        "| JAX 0.10.2 | 0.230 [0.207, 0.253] | `jit` 0.0141 [0.0127, 0.0155] |",
    ]


def test_the_readme_s_table_has_the_shape_that_is_written() -> None:
    start = README.index(HEAD[0])
    rows = README[start + 2 : README.index("", start)]
    # `plain` is no framework that anybody uses: lists of numbers, for tests.
    assert README[start + 1] == HEAD[1] and len(rows) == len(FRAMEWORKS.keys() - {"plain"})
    for line in [*rows, *table_of(points())[2:]]:
        assert ROW.fullmatch(line), line


def test_a_version_of_a_file_of_unknown_origin_begins_no_cell_and_no_tag() -> None:
    odd = points().assign(framework_version="1 | <b>2\n| x")
    lines = table_of(odd)
    assert len(lines) == 4 and all(line.count("|") == 4 and "<" not in line for line in lines[2:])


def test_of_one_framework_or_no_points_it_says_so_in_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("sys.argv", ["frameworks_table", str(tmp_path)])
    with pytest.raises(SystemExit, match="no points of several frameworks"):
        main()
    points().head(2).to_csv(tmp_path / "points.csv", index=False)
    with pytest.raises(SystemExit, match="of one framework at most"):
        main()
