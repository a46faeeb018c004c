"""The command `harness passport`: what the smallest things cost on this machine, and that compared with another.

In: arguments. Out: a table, a file, an exit status. Must not know how anything is measured.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from harness.commands.shared.parser import Parser
from harness.core.errors import ConfigError, HarnessError, UsageError
from harness.core.files import beneath
from harness.passport.document import Passport, passport_of, read_passport
from harness.passport.table import comparison, table

DESCRIPTION = """Measure what the smallest things cost on this machine (a call, an operator, entering compiled code, a
launch), and keep it: about 20 s, a minute more where nothing is compiled yet. With two files: compare them.
docs/passport.md says how each cost is measured."""


def main(arguments: list[str]) -> int:
    """Answers the exit status. Raises HarnessError for what is refused."""
    given = _parser().parse_args(arguments)
    if given.passport:
        return _compare(given)
    if given.out is not None:
        _check_out(given.out)
    found, stored = _measured(given)
    print("\n".join(table(found)))
    if stored:
        print(f"stored: {stored}")
    if given.out is not None:
        try:
            beneath.replace(given.out.parent, given.out.name, found.as_json().encode() + b"\n")
        except OSError as error:
            raise HarnessError(f"--out={given.out}: cannot be written: {error.strerror or error}") from None
        print(given.out)
    return 0


def _parser() -> argparse.ArgumentParser:
    from harness.commands.shared.apart import add_device

    parser = Parser(prog="harness passport", description=DESCRIPTION)
    parser.add_argument(
        "passport", nargs="*", type=Path, metavar="FILE", help="two passports, A and B: compare them"
    )
    add_device(parser)
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the passport there too (JSON)")
    parser.add_argument("--again", action="store_true", help="measure, also where a passport is stored")
    return parser


def _compare(given: argparse.Namespace) -> int:
    if len(given.passport) != 2:
        raise UsageError("two passports are compared, or none is named; harness passport --help tells more")
    if given.out is not None or given.again or given.device != "auto" or given.profile is not None:
        raise UsageError("two passports are compared and nothing is measured: name the two files alone")
    a, b = (read_passport(path) for path in given.passport)
    print("\n".join(comparison(a, b)))
    return 0


def _measured(given: argparse.Namespace) -> tuple[Passport, str | None]:
    """The passport, and where it is stored."""
    from harness.commands.shared.apart import asked_profile, device_apart

    with device_apart(given.device, asked_profile(given)) as device:
        if sys.stderr.isatty():
            print(f"passport of {device.name}: some 20 s where none is stored", file=sys.stderr, flush=True)
        said = device.run("harness.passport", [device.kind, *(["--again"] if given.again else [])])
    try:
        answer = json.loads(said.splitlines()[-1])
        return passport_of(answer["passport"]), answer["stored"]
    except (ValueError, IndexError, KeyError, TypeError) as error:
        raise HarnessError(f"harness.passport answered with no passport: {error}") from None


def _check_out(path: Path) -> None:
    """Raises ConfigError where the file is somebody else's, or has no folder: before anything is measured."""
    if not path.parent.is_dir():
        raise ConfigError("--out", path, "a file in a folder that is there")
    if not (path.exists() or path.is_symlink()):
        return
    try:
        read_passport(path)
    except ConfigError:
        raise ConfigError("--out", path, "a new file, or a passport to be replaced") from None
