"""The command `harness duel A B`: two environments in the same rounds, and a verdict.

In: arguments. Out: a verdict on the terminal, a folder with all of it, an exit status for CI. Must not know how
anything is measured.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from harness.commands.shared.parser import Parser
from harness.core.errors import ConfigError, HarnessError, UsageError
from harness.core.stats.verdicts import FASTER, SAME, SLOWER, UNDECIDED

if TYPE_CHECKING:
    from harness.duel.cells import Cell
    from harness.duel.contestants import Contestant
    from harness.duel.contrasts import Contrast
    from harness.duel.repeat import Repeat
    from harness.duel.shown import Shown
    from harness.plan.config import Config

DESCRIPTION = """Is B slower than A? Two environments (another Python, another torch) are measured in the same rounds,
by fresh processes in random order, beside a second process of A that shows what chance does. docs/duel.md"""
EPILOG = """\
A and B are each an environment's name (harness environment list; here is this one), an interpreter's path, requirement
lines ("torch==2.13.0", "python==3.12 torch==2.13.0": made unless they are there), or a file of such lines (*.txt).
OVERRIDES are those of harness sweep: depth=[4,64] mode=[eager,script] timing.rounds=200

examples:
  harness duel here torch-2.13
  harness duel .venv/bin/python /opt/new/bin/python mode=[eager,script]
  harness duel "torch==2.13.0" "torch==2.14.1" --fail-on slower
  harness duel before.txt after.txt --bisect

exit status: 0 done; 1 failed, or a verdict of --fail-on; 2 refused; 128 + n ended by signal n
"""
VERDICTS = (FASTER, SLOWER, SAME, UNDECIDED)
DATA, TABLE, TEXT, REPEATS = "duel.json", "duel.csv", "duel.txt", "repeats.jsonl"
FILES = (TABLE, DATA, TEXT, REPEATS)
MOST_SECONDS, DEFAULT_SECONDS = 86_400.0, 120.0
SWEEP = "sweep=duel"
# What another grid is given by, with what it begins from: the rules that make two models of the default lists have no
# place there.
_OF_THE_GRID = {"depth": "[64]", "width": "[64]", "batch": "[1]", "hidden": "null"}
# What is no verdict on either, and more than `unsupported`.
_BROKEN = ("failed", "mismatch", "timeout", "oom")


def main(arguments: list[str]) -> int:
    """Answers the exit status; raises HarnessError for refusals."""
    given = _parser().parse_intermixed_args(arguments)
    verdicts = _fail_on(given.fail_on)
    if not (math.isfinite(given.seconds) and 0 < given.seconds <= MOST_SECONDS):
        raise ConfigError("--seconds", given.seconds, f"above 0 and at most {MOST_SECONDS:g}")
    config = _config(given.overrides)
    cells = _cells(config)
    if given.out is not None:
        _check(given.out)
    contestants, swaps = _contestants(given)
    folder = _folder(given.out)
    shown = _duelled(given, config, cells, contestants, swaps, _keeping(folder))
    _written(shown, folder)
    print(shown.as_text())
    print(folder)
    broken = any(row.failed and row.failed.status in _BROKEN for row in shown.found.rows)
    judged = [shown.verdict, *(_of_cells(shown) if given.each else ())]
    return 1 if broken or shown.found.overall is None or any(each in verdicts for each in judged) else 0


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="harness duel",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("a", metavar="A", help="what is compared with")
    parser.add_argument("b", metavar="B", help="what is compared")
    parser.add_argument("overrides", nargs="*", metavar="OVERRIDES", help="which cells (see below)")
    parser.add_argument(
        "--seconds",
        type=float,
        default=DEFAULT_SECONDS,
        help=f"for all of it, without making environments (default {DEFAULT_SECONDS:g})",
    )
    parser.add_argument(
        "--fail-on",
        default="",
        metavar="VERDICTS",
        help=f"exit status 1 for these, e.g. slower,undecided ({', '.join(VERDICTS)})",
    )
    parser.add_argument(
        "--each", action="store_true", help="--fail-on looks at each cell too, not at all of them alone"
    )
    parser.add_argument(
        "--bisect", action="store_true", help="A and B are files: which component makes the difference?"
    )
    parser.add_argument(
        "--index", default="", metavar="URL", help="of packages, for requirement lines (default pip's own)"
    )
    parser.add_argument("--out", type=Path, help="folder to write to (default results/duel/<UTC time>)")
    return parser


def _fail_on(text: str) -> list[str]:
    from harness.plan.allowed.nearest import with_nearest

    words = [word for word in text.split(",") if word]
    for word in words:
        if word not in VERDICTS:
            raise ConfigError("--fail-on", word, with_nearest(word, VERDICTS))
    return words


def _config(overrides: Sequence[str]) -> Config:
    from harness.commands.composed.checked import checked

    keys = [override.lstrip("+~").partition("=")[0] for override in overrides]
    for key, override in zip(keys, overrides, strict=True):
        if key in ("environment", "out", "resume", "shard", "dry_run"):
            raise UsageError(f"{override}: not beside a duel; harness duel --help tells more")
    defaults = [] if "sweep" in keys else [SWEEP]
    if defaults and set(keys) & set(_OF_THE_GRID):
        defaults += [
            f"{key}={value}" for key, value in {**_OF_THE_GRID, "exclude": "[]"}.items() if key not in keys
        ]
    config, _ = checked([*defaults, *overrides])
    return config


def _cells(config: Config) -> tuple[Cell, ...]:
    from harness.duel.cells import cells_of

    return cells_of(config)


def _duelled(
    given: argparse.Namespace,
    config: Config,
    cells: Sequence[Cell],
    contestants: Mapping[str, Contestant],
    swaps: Sequence[Contrast],
    kept: Callable[[Repeat], None],
) -> Shown:
    from harness.core.cpu import own_cores
    from harness.duel.contestants import crowded
    from harness.duel.contrasts import OF_A_DUEL
    from harness.duel.driven import A_AGAIN, A, B
    from harness.duel.facts import notes
    from harness.duel.repeat import Rules
    from harness.duel.run import duel
    from harness.duel.shown import Shown

    threads = config.device.threads
    # All on the same cores, those that the one rank of a sweep has; one works at a time.
    cores = own_cores(0, 1, threads) if config.device.affinity else None
    arms = [one.arm(name, threads, cores, config.timeout_s) for name, one in contestants.items()]
    timing = config.timing
    found = duel(
        arms,
        [*OF_A_DUEL, *swaps],
        cells,
        Rules(timing.block_ms * 1e6, timing.rounds, timing.warmup_max_s, timing.builds),
        limit_s=given.seconds,
        seed=config.seed,
        told=_told,
        crowded=crowded,
        kept=kept,
    )
    a, b = contestants[A], contestants[B]
    assert contestants[A_AGAIN] is a
    said = notes(*(one.interpreter for one in (a, b)))
    return Shown(a.said, b.said, found, tuple(said), bool(given.bisect))


def _contestants(given: argparse.Namespace) -> tuple[dict[str, Contestant], tuple[Contrast, ...]]:
    """By the names of their arms; with --bisect those of A with one component of B's too, and what is asked of them."""
    from harness.duel.contestants import contestant, is_file_of_requirements, made, parts_of_file
    from harness.duel.contrasts import of_swaps
    from harness.duel.driven import A_AGAIN, A, B
    from harness.duel.swaps import swapped

    for key, word in (("A", given.a), ("B", given.b)):
        if given.bisect and not is_file_of_requirements(word):
            raise ConfigError(key, word, "with --bisect a file of requirement lines whose name ends in .txt")
    a, b = (contestant(key, word, given.index, _told) for key, word in (("A", given.a), ("B", given.b)))
    arms = {A: a, A_AGAIN: a, B: b}
    if not given.bisect:
        return arms, ()
    parts_a, parts_b = (parts_of_file(key, Path(word)) for key, word in (("A", given.a), ("B", given.b)))
    of_component: dict[str, str] = {}
    for component, parts in swapped(parts_a, parts_b).items():
        # Where nothing else differs, A with that component is B.
        of_component[component] = B if parts == parts_b else f"a with b's {component}"
        if parts != parts_b:
            arms[of_component[component]] = made(str(parts), parts.environment(given.index), _told)
    return arms, of_swaps(of_component)


def _told(text: str) -> None:
    if sys.stderr.isatty():
        print(text, file=sys.stderr, flush=True)


def _of_cells(shown: Shown) -> list[str]:
    return [row.judgement.found["ratio"].verdict for row in shown.found.rows if row.judgement]


def _check(out: Path) -> None:
    """Before anything is made or measured: a name of ours that is somebody else's is refused."""
    from harness.core.files.made import Made

    try:
        Made(out).check(*FILES)
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise HarnessError(f"--out={out}: cannot be written: {error.strerror or error}") from error


def _folder(out: Path | None) -> Path:
    from harness.records.files import default_path, reserved

    try:
        return out if out is not None else reserved(default_path("duel"))
    except OSError as error:
        raise HarnessError(f"no folder for the result: {error.strerror or error}") from error


def _keeping(folder: Path) -> Callable[[Repeat], None]:
    """What writes each repeat down, a line each, so that a kill loses at most the one that is measured."""
    from harness.core.files import beneath
    from harness.core.files.made import Made

    def kept(repeat: Repeat) -> None:
        try:
            with os.fdopen(beneath.open_file(folder, REPEATS, os.O_WRONLY | os.O_APPEND), "ab") as file:
                file.write(json.dumps(repeat.plain()).encode() + b"\n")
        except OSError as error:
            raise HarnessError(f"{folder}: cannot be written: {error.strerror or error}") from error

    try:
        Made(folder).write(REPEATS, b"")
    except OSError as error:
        raise HarnessError(f"{folder}: cannot be written: {error.strerror or error}") from error
    return kept


def _written(shown: Shown, folder: Path) -> None:
    from harness.core.files.made import Made

    made = Made(folder)
    try:
        made.write_text(TABLE, shown.as_csv())
        made.write_text(DATA, shown.as_json())
        made.write_text(TEXT, f"{shown.as_text()}\n")
    except OSError as error:
        raise HarnessError(f"{folder}: cannot be written: {error.strerror or error}") from error
