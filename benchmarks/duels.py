"""How often is a duel right, for real? And what does taking turns gain?

An environment beside a copy of itself (`same` or `undecided` in 57 of 60), and beside one with a planted slow-down:
each call of nn.Linear spins a counted Python loop, calibrated to 3 % of the step (`slower` in 57 of 60). Then the
spread of the ratio between runs, rounds in turn against one after the other.

`bisect`, which is not among the default kinds, makes the environments of two files that differ in Python, torch and a
third package (minutes, gigabytes; they are kept, as all that `harness duel` makes), plants a loop in all that have one
component of B's, which is drawn, and asks which component carries the difference. 10 % of the step, since Python 3.12
and another torch bring some per cent themselves, which a loop of 3 % might just cancel.
Run: python -m benchmarks.duels [--times 60] [--seconds 60]
     python -m benchmarks.duels --kind bisect --times 3 --seconds 200
"""

from __future__ import annotations

import json
import math
import os
import random
import statistics
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.common import parser, save, verdict
from harness.commands.composed.checked import checked
from harness.core.cpu import allowed_cores
from harness.core.stats.verdicts import SAME, SLOWER, UNDECIDED
from harness.duel.cells import Cell, cells_of
from harness.duel.contestants import Contestant, made, parts_of_lines, there
from harness.duel.contrasts import OF_A_DUEL, RATIO, of_swaps
from harness.duel.driven import A_AGAIN, A, B, Driven
from harness.duel.repeat import Rules
from harness.duel.run import Duelled, duel
from harness.duel.swaps import components as components_of
from harness.duel.swaps import sentence, swapped
from harness.environments.document import environment_of
from harness.plan.repeats import LEAD_NS

PLANTED = 0.03
# Of 60: what is promised.
RIGHT = 57 / 60
COPY, SLOW, PAIRING, BISECT = "copy", "planted", "pairing", "bisect"
KINDS = (COPY, SLOW, PAIRING)
# What --kind bisect goes by: lines of both files, and the share of the step that is planted.
BEFORE = ("python==3.11", "torch==2.13.0", "six==1.16.0")
AFTER = ("python==3.12", "torch==2.14.1", "six==1.17.0")
PLANTED_IN_PART = 0.1
# As conf/timing/duel.yaml has them.
RULES = Rules(block_ns=2e6, rounds=50, warm_s=0.5, builds=3)
# Blocks of each in a run, when the two ways are compared.
PAIRED_ROUNDS = 150
OVERRIDES = ["sweep=duel", "exclude=[]", "depth=[64]", "width=[64]"]
# Without the loop and with one of COUNT passes, in turn: what a pass and what a step takes.
_CALIBRATE = """
import statistics, sys, time, torch
torch.set_num_threads(1)
depth, width, count = 64, 64, 2000
pairs = [(torch.nn.Linear(width, width), torch.nn.ReLU()) for _ in range(depth)]
model = torch.nn.Sequential(*[layer for pair in pairs for layer in pair])
inputs = torch.randn(1, width)
def steps(times):
    start = time.perf_counter_ns()
    for _ in range(times):
        model(inputs)
    return (time.perf_counter_ns() - start) / times
def spins():
    start = time.perf_counter_ns()
    for _ in range(depth):
        for _ in range(count):
            pass
    return (time.perf_counter_ns() - start) / depth / count
with torch.inference_mode():
    steps(50)
    rounds = [(steps(5), spins()) for _ in range(200)]
step, spin = (statistics.median(values) for values in zip(*rounds))
print(round(float(sys.argv[1]) * step / depth / spin))
"""
# Of which interpreter it was made, and where its packages are.
_ASKED = """
import json, sys
packages = [path for path in sys.path if path.endswith("site-packages")]
print(json.dumps([getattr(sys, "_base_executable", sys.executable), packages]))
"""
_PLANT = """
import torch
from torch.nn import functional
def forward(self, input):
    for _ in range({count}):
        pass
    return functional.linear(input, self.weight, self.bias)
torch.nn.Linear.forward = forward
"""


def main() -> int:
    """Answers the exit status: 0 if all limits are met."""
    options = parser(__doc__)
    options.add_argument("--times", type=int, default=60, help="duels of each kind (default 60)")
    options.add_argument("--seconds", type=float, default=60, help="for each duel (default 60)")
    known = f"some of {', '.join([*KINDS, BISECT])} (default all but the last)"
    options.add_argument("--kind", default=",".join(KINDS), help=known)
    options.add_argument("--seed", type=int, default=0, help="of what is drawn for bisect (default 0)")
    given = options.parse_args()
    kinds = given.kind.split(",")
    config, _ = checked(OVERRIDES)
    cells = cells_of(config)
    met = []
    with tempfile.TemporaryDirectory() as folder:
        rows: list[dict[str, Any]] = []
        for kind in kinds:
            if kind == BISECT:
                met.append(_bisecting(Path(folder), cells, given))
                continue
            if kind == PAIRING:
                own, other = (_planted(Path(folder) / f"{kind}-{arm}", 0) for arm in (A, B))
                met.append(_pairing(own, other, cells[0], given))
                continue
            for number in range(given.times):
                rows.append(
                    {"kind": kind, **_dueled(Path(folder) / kind, kind, cells, given.seconds, number)}
                )
                print(rows[-1], flush=True)
        if rows:
            save(rows, given.out, "duels")
    for kind, right in ((COPY, (SAME, UNDECIDED)), (SLOW, (SLOWER,))):
        if found := Counter(row["verdict"] for row in rows if row["kind"] == kind):
            share = sum(found[each] for each in right) / found.total()
            print(f"{kind}: {dict(found)}")
            met.append(verdict(f"{' or '.join(right)} beside a {kind}", share, RIGHT, least=True))
    return 0 if all(met) else 1


def _dueled(folder: Path, kind: str, cells: tuple[Cell, ...], seconds: float, number: int) -> dict[str, Any]:
    """Of two environments that are made anew, with a loop that is calibrated in this minute."""
    # The copy is as different a folder as the other, with a loop of no passes.
    count = _calibrated() if kind == SLOW else 0
    own, other = (_planted(folder / f"{number}-{arm}", passes) for arm, passes in ((A, 0), (B, count)))
    return {"passes": count, **_row(_duel(own, other, cells, seconds, number))}


def _bisecting(folder: Path, cells: tuple[Cell, ...], given: Any) -> bool:
    """Whether it named what was planted, and nothing else as large, in each of the duels."""
    chance = random.Random(given.seed)
    before, after = (parts_of_lines(key, key, lines) for key, lines in ((A, BEFORE), (B, AFTER)))
    of_parts = {A: before, B: after, **swapped(before, after)}
    components = [name for name in of_parts if name not in (A, B)]
    built = {name: made(str(parts), parts.environment(""), print) for name, parts in of_parts.items()}
    count = _calibrated(PLANTED_IN_PART)
    rows, left = [], list[str]()
    for number in range(given.times):
        # Each of them in its turn, in an order that is drawn.
        if not left:
            left = chance.sample(components, len(components))
        slow = left.pop()
        arms = {
            name: _planted(
                folder / f"{number}-{place}", count if name in (B, slow) else 0, one.interpreter.python
            )
            for place, (name, one) in enumerate(built.items())
        }
        arms[A_AGAIN] = arms[A]
        contrasts = [*OF_A_DUEL, *of_swaps({name: name for name in components})]
        started = [one.arm(name, 1, allowed_cores(), 120) for name, one in arms.items()]
        found = duel(started, contrasts, cells, RULES, limit_s=given.seconds, seed=number)
        rows.append({"planted": slow, "passes": count, **_named(found)})
        print(rows[-1], flush=True)
    save(rows, given.out, "duels_bisect")
    right = sum(row["first"] == row["planted"] and row["its_verdict"] == SLOWER for row in rows)
    return verdict("named what was planted", right / len(rows), RIGHT, least=True)


def _named(found: Duelled) -> dict[str, Any]:
    """What a duel says of the components; first: the one of the largest effect."""
    assert found.overall is not None
    effects = components_of(found.overall)
    first, largest = next(iter(effects.items()))
    print(sentence(found.overall))
    told = {
        name: f"{each.ratio.estimate:.3f} [{each.ratio.low:.3f}, {each.ratio.high:.3f}] {each.verdict}"
        for name, each in {**found.overall.found}.items()
    }
    return {
        **{
            "first": first,
            "its_verdict": largest.verdict,
            "repeats": found.repeats,
            "seconds": found.seconds,
        },
        **told,
    }


def _planted(folder: Path, count: int, python: Path | None = None) -> Contestant:
    """An environment of links to the packages of a Python, or of this one, whose nn.Linear spins so many passes before
    each call. What it links to stays as it is."""
    own = Path(sys.executable) if python is None else python
    base, here = json.loads(
        subprocess.run([own, "-c", _ASKED], check=True, capture_output=True, text=True).stdout
    )
    subprocess.run([base, "-m", "venv", "--without-pip", str(folder)], check=True)
    (packages,) = folder.glob("lib/python*/site-packages")
    # Files of that ending are read in the order of their names, and a line that begins with import is executed.
    (packages / "a.pth").write_text("".join(f"{path}\n" for path in here), encoding="utf-8")
    if count:
        (packages / "planted_loop.py").write_text(_PLANT.format(count=count), encoding="utf-8")
        (packages / "z.pth").write_text("import planted_loop\n", encoding="utf-8")
    else:
        (packages / "z.pth").write_text("import torch\n", encoding="utf-8")
    return there(folder.name, environment_of(folder.name, {"python": str(folder / "bin" / "python")}))


def _calibrated(share: float = PLANTED) -> int:
    """Passes before each call that make so much of the step, by this Python and torch."""
    pinned = allowed_cores()
    done = subprocess.run(
        [sys.executable, "-c", _CALIBRATE, str(share)],
        check=True,
        capture_output=True,
        text=True,
        preexec_fn=lambda: os.sched_setaffinity(0, pinned),
    )
    return int(done.stdout)


def _duel(a: Contestant, b: Contestant, cells: tuple[Cell, ...], seconds: float, seed: int) -> Duelled:
    cores = allowed_cores()
    arms = [one.arm(name, 1, cores, 120) for name, one in ((A, a), (A_AGAIN, a), (B, b))]
    return duel(arms, OF_A_DUEL, cells, RULES, limit_s=seconds, seed=seed)


def _row(found: Duelled) -> dict[str, Any]:
    assert found.overall is not None
    ratio = found.overall.found[RATIO]
    return {
        **{"verdict": ratio.verdict, "ratio": ratio.ratio.estimate},
        **{"low": ratio.ratio.low, "high": ratio.ratio.high, "floor": found.overall.floor},
        **{"repeats": found.repeats, "seconds": found.seconds},
    }


def _pairing(a: Contestant, b: Contestant, cell: Cell, given: Any) -> bool:
    """The spread between runs of the ratio of a thing to its copy: in turn, and one after the other."""
    spreads: dict[str, list[float]] = {"in_turn": [], "one_after_the_other": []}
    for number in range(given.times):
        for way, ratio in _both_ways(a, b, cell, number):
            spreads[way].append(ratio)
    found = {way: statistics.stdev(map(math.log, ratios)) for way, ratios in spreads.items()}
    rows = [{"way": way, "runs": given.times, "spread": spread} for way, spread in found.items()]
    save(rows, given.out, "duels_pairing")
    in_turn, after = found.values()
    return verdict("spread in turn over one after the other", in_turn / after, 1.0)


def _both_ways(a: Contestant, b: Contestant, cell: Cell, seed: int) -> Iterator[tuple[str, float]]:
    """As many blocks of fresh processes in both ways, which come in an order that is drawn.

    One after the other: the first process has ended before the second is started, as when a script is run under one
    Python and then under the other.
    """
    chance = random.Random(seed)
    for way in chance.sample(["in_turn", "one_after_the_other"], 2):
        groups = [[A, B]] if way == "in_turn" else [[name] for name in chance.sample([A, B], 2)]
        times: dict[str, list[float]] = {}
        for group in groups:
            times |= _blocks({name: a if name == A else b for name in group}, cell, chance)
        if way == "in_turn":
            yield way, statistics.median(x / y for x, y in zip(times[A], times[B], strict=True))
        else:
            yield way, statistics.median(times[A]) / statistics.median(times[B])


def _blocks(of: dict[str, Contestant], cell: Cell, chance: random.Random) -> dict[str, list[float]]:
    """Nanoseconds of a step in each block, in rounds of all."""
    drivers: dict[str, Driven] = {}
    times: dict[str, list[float]] = {name: [] for name in of}
    try:
        for name in chance.sample(list(of), len(of)):
            drivers[name] = of[name].arm(name, 1, allowed_cores(), 120).open()
            drivers[name].prepare(cell.task)
        steps = round(statistics.median(driver.warm(RULES.block_ns, 0.5) for driver in drivers.values()))
        lead = max(1, math.ceil(steps * LEAD_NS / RULES.block_ns))
        for _ in range(PAIRED_ROUNDS):
            for name in chance.sample(list(of), len(of)):
                times[name].append(drivers[name].block(steps, lead) / steps)
    finally:
        for driver in drivers.values():
            driver.close()
    return times


if __name__ == "__main__":
    sys.exit(main())
