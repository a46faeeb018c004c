"""What a profile says of measured kernels, and how far that is from what was measured.

In: a Profile, Tables. Out: modelled times, errors. Must not know how constants are fitted.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from emulator.fitting.tables import Tables
from emulator.profile import ModelError, Profile
from emulator.times.device import all_reduce_us, other_us, product_us
from emulator.times.errors import CLASSES, class_of_product
from emulator.times.kernels import Floats

# Rows from which on a percentile says something.
LEAST_SHAPES = 10
# Collectives: from 256 KiB to 64 MiB. Smaller ones are timed by the host's clock, launch and waiting with them.
COLLECTIVE_BYTES = 256 * 2**10, 64 * 2**20


def modelled(profile: Profile, tables: Tables) -> Tables:
    """The same rows with modelled_us, type (what is compared with its like) and error_class."""
    return Tables(
        **{name: _with_model(profile, name, rows) for name, rows in tables.parts().items()}, told=tables.told
    )


def _with_model(profile: Profile, part: str, rows: pd.DataFrame) -> pd.DataFrame:
    us = np.zeros(len(rows))
    if part == "products":
        kinds = rows["arithmetic"]
        for arithmetic in kinds.unique():
            of = (kinds == arithmetic).to_numpy()
            m, n, k, batch = (_floats(rows.loc[of], name) for name in ("m", "n", "k", "batch"))
            transposed = rows.loc[of, "transposed"].to_numpy(bool)
            us[of] = product_us(profile, m, n, k, batch, arithmetic, transposed)
        classes = [class_of_product(each) for each in us]
    elif part == "kernels":
        kinds = rows["kind"]
        for kind in kinds.unique():
            of = (kinds == kind).to_numpy()
            us[of] = other_us(
                profile, kind, *(_floats(rows.loc[of], name) for name in ("bytes_", "blocks_x"))
            )
        classes = ["others"] * len(rows)
    else:
        kinds = pd.Series("all-reduce", index=rows.index)
        us = all_reduce_us(profile, _floats(rows, "bytes_"), _floats(rows, "ranks"))
        classes = ["collectives"] * len(rows)
    return rows.assign(modelled_us=us, type=kinds, error_class=classes)


def _floats(rows: pd.DataFrame, name: str) -> Floats:
    found: Floats = rows[name].to_numpy(np.float64)
    return found


def duration_class(us: pd.Series) -> pd.Series:
    """By measured time, as tables of errors are read."""
    return pd.cut(
        us, [0, 15, 60, np.inf], right=False, labels=["under 15 us", "15 to 60 us", "longer"]
    ).astype(str)


def errors_by_type(tables: Tables) -> pd.DataFrame:
    """|modelled / measured - 1| by device table, type and duration, in per cent. tables: with modelled times.

    scatter: the same of rows of one shape beside their median, where shapes were measured more than once.
    """
    found = []
    for part, rows in tables.parts().items():
        rows = rows.assign(duration=duration_class(rows["us"]))
        if part == "collectives":
            rows = rows[rows["bytes_"].between(*COLLECTIVE_BYTES)].assign(duration="256 KiB to 64 MiB")
        for (kind, duration), own in rows.groupby(["type", "duration"], sort=True):
            error = (own["modelled_us"] / own["us"] - 1).abs()
            middle = own.groupby("shape")["us"].transform("median")
            often = own.groupby("shape")["us"].transform("size") > 1
            scatter = (own["us"] / middle - 1).abs()[often]
            found.append(
                {
                    **{"part": part, "type": kind, "duration": duration, "rows": len(own)},
                    **{"median_percent": 100 * error.median(), "p90_percent": 100 * error.quantile(0.9)},
                    "measured_over_modelled": (own["us"] / own["modelled_us"]).median(),
                    "scatter_percent": 100 * scatter.median() if len(scatter) else np.nan,
                }
            )
    return pd.DataFrame(found)


def model_errors(tables: Tables) -> dict[str, ModelError]:
    """Per class of kernels, of held-out rows. tables: with modelled times."""
    parts = tables.parts()
    if not parts:
        return {}
    rows = pd.concat(parts.values(), ignore_index=True)
    small = (
        (rows["error_class"] == "collectives") & ~rows["bytes_"].between(*COLLECTIVE_BYTES)
        if "bytes_" in rows
        else False
    )
    rows = rows[~small] if small is not False else rows
    found = {}
    for name, own in rows.groupby("error_class"):
        if name in CLASSES and len(own) >= LEAST_SHAPES:
            low, high = (own["us"] / own["modelled_us"]).quantile([0.05, 0.95])
            found[str(name)] = ModelError(round(float(low), 3), round(float(high), 3), len(own))
    return found
