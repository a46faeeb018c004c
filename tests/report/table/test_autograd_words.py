"""Where reports name what a forward step was called under, and where they do not."""

from __future__ import annotations

import pandas as pd
from synthetic import make_points, make_run

from harness.report.figures.titles import headline
from harness.report.findings import findings
from harness.report.summary import thousand_calls
from harness.report.table.keytable import key_table
from harness.report.table.slices import SLICE_AXES, split, varying
from harness.report.table.tidy import tidy


def both() -> pd.DataFrame:
    """Recording, twice as dear for eager alone; under inference mode; and training."""
    slow = make_points(change=lambda row: {"autograd": "grad", "step_us": row["step_us"] * 1.5})
    tables = [slow, make_points(), make_points(workloads=("train",))]
    return pd.concat(tables, ignore_index=True)


def test_no_slice_mixes_two_values() -> None:
    table = tidy(both())
    assert "autograd" in SLICE_AXES and "autograd" in varying(table)
    parts = split(table)
    assert len(parts) == 3
    assert all(part.rows["autograd"].nunique() == 1 for part in parts)


def test_a_table_without_the_column_has_its_default() -> None:
    assert set(tidy(make_points().drop(columns="autograd"))["autograd"]) == {"inference"}


def test_titles_name_it_where_it_differs_and_captions_else() -> None:
    titles = [headline("T", part, varying(tidy(both()))).title for part in split(tidy(both()))]
    assert ["autograd grad" in title for title in titles] == [True, False, False]
    assert ["autograd inference" in title for title in titles] == [
        False,
        True,
        False,
    ]  # training always records
    (part,) = split(tidy(make_points()))
    head = headline("T", part, [])
    assert "autograd" not in head.title and "autograd inference" in head.subtitle


def test_sentences_name_it_where_it_differs() -> None:
    texts = findings(both())
    assert any("(forward, autograd grad)" in text for text in texts)
    assert not any("train, autograd" in text for text in texts)
    assert not any("autograd" in text for text in findings(make_points()))


def test_the_key_table_has_a_column_that_is_empty_for_training() -> None:
    keys = key_table(tidy(both()))
    workload, autograd = keys.headers.index("workload"), keys.headers.index("autograd")
    assert {(row[workload], row[autograd]) for row in keys.rows} == {
        ("forward", "grad"),
        ("forward", "inference"),
        ("train", ""),
    }
    assert "autograd inference" in key_table(tidy(make_points())).constant
    assert "autograd" not in key_table(tidy(make_points(workloads=("train",)))).constant


def test_a_thousand_calls_are_told_under_each_value() -> None:
    table = both()[lambda t: (t["depth"] == 2) & (t["batch"] == 1) & (t["workload"] == "forward")]
    lines = thousand_calls([make_run(table, name="hybridize")])
    assert [line["autograd"] for line in lines] == ["grad"] * 3 + ["inference"] * 3
    assert all("point" not in line for line in lines)
    single = thousand_calls([make_run(table[table["autograd"] == "grad"], name="hybridize")])
    assert len(single) == 3 and all("autograd" not in line for line in single)
