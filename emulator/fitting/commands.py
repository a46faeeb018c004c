"""`python -m emulator fit` and `check`: constants from tables of measured kernels, and how far they are from them.

In: arguments. Out: files, text. Must not know how a fit is made.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import pandas as pd

from emulator.fitting.fit import LEAST_ROWS, fit
from emulator.fitting.held_out import held_out
from emulator.fitting.modelled import LEAST_SHAPES, errors_by_type, model_errors, modelled
from emulator.fitting.tables import Tables, read_tables
from emulator.fitting.written import written
from emulator.profile import Profile
from emulator.times.kernels import ALL_KINDS
from emulator.times.products import ITEM_BYTES


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    for name, what in (
        ("fit", "fit a profile's constants to tables of measured kernels"),
        ("check", "hold a profile against tables of measured kernels"),
    ):
        parser = commands.add_parser(name, help=what)
        parser.add_argument(
            "tables", nargs="+", type=Path, metavar="TABLE", help="CSV; see docs/kernel-times.md"
        )
        parser.add_argument("--profile", required=True, help="v100x8, or the path of a profile")
        if name == "fit":
            parser.add_argument("--out", type=Path, help="where to write it (the profile's own file)")
        else:
            parser.add_argument("--csv", type=Path, help="write measured_us and modelled_us of each row")


def run_fit(options: argparse.Namespace, profile: Profile, path: Path) -> int:
    tables = read_tables(options.tables)
    beside = held_out(profile, tables)
    found = fit(profile, tables)
    found.errors = {**profile.errors, **model_errors(beside)}
    table = errors_by_type(beside)
    keys = {
        key: f"Fitted by `python -m emulator fit` to {', '.join(names)} (docs/kernel-times.md).{_rest(tables, key)}"
        for key, names in _sources(tables).items()
        if getattr(found, key) != getattr(profile, key)
    }
    keys |= {
        key: f"From {source}, a trace: `harness trace --calibrate`."
        for key, (_, source) in tables.told.items()
    }
    keys["errors"] = (
        "Measured over modelled time of shapes that were not fitted on, 5th and 95th percentile: docs/kernel-times.md."
    )
    out = options.out or path
    out.write_text(written(path.read_text(encoding="utf-8"), found, keys), encoding="utf-8")
    print("On shapes that the constants were not fitted on, in two halves:")
    print(_printed(table))
    print(out)
    return 0


def run_check(options: argparse.Namespace, profile: Profile, path: Path) -> int:
    tables = modelled(profile, read_tables(options.tables))
    if options.csv:
        _rows(tables).to_csv(options.csv, index=False)
    print(f"{profile.name}:")
    print(_printed(errors_by_type(tables)))
    return 0


RUN: dict[str, Callable[[argparse.Namespace, Profile, Path], int]] = {"fit": run_fit, "check": run_check}


def _rows(tables: Tables) -> pd.DataFrame:
    """As they were in their files, with what was modelled."""
    rows = pd.concat(tables.parts().values(), ignore_index=True)
    rows = rows.rename(columns={"us": "measured_us"})
    first = ["table", "type", "measured_us", "modelled_us"]
    own = {"duration_us", "shape", "error_class", "bytes_", "blocks_x", "kind", "arithmetic"}
    return rows[[*first, *(name for name in rows.columns if name not in {*first, *own})]]


def _printed(table: pd.DataFrame) -> str:
    shown = table.rename(columns=lambda name: str(name).replace("_percent", " %").replace("_", " "))
    return str(shown.round(2).to_string(index=False, na_rep="-"))


def _sources(tables: Tables) -> dict[str, list[str]]:
    """Keys that are fitted, and the tables that tell them."""
    parts = tables.parts()
    named = {name: sorted(rows["table"].unique()) for name, rows in parts.items()}
    found = {"products": named.get("products", []), "protocols": named.get("collectives", [])}
    # Products of a matrix and a vector are a kind of kernel as well.
    found["kernels"] = [*named.get("kernels", []), *found["products"]]
    return {key: names for key, names in found.items() if names}


def _rest(tables: Tables, key: str) -> str:
    """Of what there was no table."""
    if key == "protocols":
        return ""
    rows = tables.products if key == "products" else tables.kernels
    column, names, least = (
        ("arithmetic", tuple(ITEM_BYTES), LEAST_SHAPES)
        if key == "products"
        else ("kind", ALL_KINDS, LEAST_ROWS)
    )
    counts = rows[column].value_counts() if len(rows) else {}
    few = [name for name in names if counts.get(name, 0) < least and name != "matrix_vector"]
    like = "the nearest peak's, or assumed" if key == "products" else "as element-wise ones, or assumed"
    return f"\nNo table of {', '.join(few)}: {like}." if few else ""
