"""Errors on shapes that a fit has not seen.

In: a Profile, Tables. Out: the tables with modelled times, each row by constants fitted without its shape's half. Must
not know files.
"""

from __future__ import annotations

import pandas as pd

from emulator.fitting.fit import fit
from emulator.fitting.modelled import modelled
from emulator.fitting.tables import Tables, half
from emulator.profile import Profile


def held_out(profile: Profile, tables: Tables) -> Tables:
    """Two fits, each on one half of the shapes and held against the other."""
    halves = {name: half(rows) for name, rows in tables.parts().items()}
    others = {name: ~chosen for name, chosen in halves.items()}
    sides = [
        modelled(fit(profile, tables.of(a)), tables.of(b)) for a, b in ((halves, others), (others, halves))
    ]
    joined = {
        name: pd.concat([side.parts()[name] for side in sides if name in side.parts()])
        for name in tables.parts()
    }
    return Tables(**joined, told=tables.told)
