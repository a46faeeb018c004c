"""The command `harness diagnose`: what bounds a step of somebody's own model, and what would remove it.

In: arguments. Out: a verdict on the terminal, a folder with all of it, an exit status. Must not know how anything is
measured: that is done by a process of its own, under the device's variables.
"""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path
from typing import Any

from harness.commands.shared.apart import add_device, asked_profile, device_apart
from harness.commands.shared.parser import Parser
from harness.core.errors import ConfigError, HarnessError
from harness.core.files.made import Made
from harness.diagnosis.shown.files import FILES
from harness.plan.lookup import split_name
from harness.records.files import default_path, reserved

DESCRIPTION = """Say in about a minute what bounds one step (the interpreter, framework dispatch, launches, the device,
data, synchronisation, or code of your own), and what would remove it, predicted before it is measured. docs/diagnose.md
"""
EPILOG = """\
BUILD is package.module:name of what answers a torch.nn.Module, a pair (module, inputs), or a step to call. A module's
inputs are made by --inputs, by default by what is called `inputs` in the same module; it is given a number of samples.

examples:
  harness diagnose my_module:build
  harness diagnose my_module:build --inputs my_module:batch --samples 16 --arg layers=12 --verify
  harness diagnose my_module:step --minutes 2
  harness diagnose harness.models.transformer:build --arg layers=2 --arg width=64 --arg heads=4 \\
      --arg tokens=32 --arg vocabulary=1000 --arg classes=10

exit status: 0 done; 1 failed; 2 refused; 128 + n ended by signal n
"""
MOST_MINUTES, MOST_SAMPLES = 60.0, 2**24


def main(arguments: list[str]) -> int:
    """Answers the exit status; raises HarnessError for refusals."""
    given = _parser().parse_args(arguments)
    job = _job(given)
    with device_apart(given.device, asked_profile(given)) as apart:
        job |= {"device": apart.kind, "out": str(_folder(given.out))}
        print(apart.run("harness.diagnosis", [json.dumps(job)]), end="")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="harness diagnose",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("build", metavar="BUILD", help="package.module:name of a model or a step")
    parser.add_argument("--inputs", default="", help="module:name of what makes a module's inputs")
    parser.add_argument("--samples", type=int, default=1, help="samples of a step (default 1)")
    parser.add_argument(
        "--arg",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="for BUILD and --inputs; JSON or a word",
    )
    parser.add_argument("--train", action="store_true", help="forward, backward and an optimizer's step")
    parser.add_argument("--loss", default="", help="module:name, with --train (docs/models.md)")
    parser.add_argument("--targets", default="", help="module:name, with --train")
    parser.add_argument("--optimizer", default="", help="module:name, with --train (default torch.optim.SGD)")
    parser.add_argument("--minutes", type=float, default=1.0, help="to measure for (default 1)")
    parser.add_argument(
        "--verify", action="store_true", help="measure what was predicted, and say how far it was off"
    )
    parser.add_argument("--json", action="store_true", help="the result as data on standard output")
    parser.add_argument("--out", type=Path, help="folder to write to (default results/diagnose/<UTC time>)")
    add_device(parser)
    return parser


def _job(given: argparse.Namespace) -> dict[str, Any]:
    try:
        split_name(given.build)
    except LookupError as error:
        raise ConfigError("BUILD", given.build, str(error)) from None
    if not (math.isfinite(given.minutes) and 0 < given.minutes <= MOST_MINUTES):
        raise ConfigError("--minutes", given.minutes, f"above 0 and at most {MOST_MINUTES:g}")
    if not 1 <= given.samples <= MOST_SAMPLES:
        raise ConfigError("--samples", given.samples, f"from 1 to {MOST_SAMPLES:_}")
    for name in ("loss", "targets", "optimizer"):
        if getattr(given, name) and not given.train:
            raise ConfigError(f"--{name}", getattr(given, name), "with --train alone")
    names = (
        "build",
        "inputs",
        "samples",
        "train",
        "loss",
        "targets",
        "optimizer",
        "minutes",
        "verify",
        "json",
    )
    return {
        **{name: getattr(given, name) for name in names},
        "arguments": dict(map(_argument, given.arg)),
        "cwd": str(Path.cwd()),
    }


def _argument(text: str) -> tuple[str, Any]:
    """A value that is JSON is that; any other word is itself."""
    key, equals, value = text.partition("=")
    if not equals or not key.isidentifier():
        raise ConfigError("--arg", text, "KEY=VALUE, e.g. --arg layers=12")
    try:
        return key, json.loads(value)
    except ValueError:
        return key, value


def _folder(out: Path | None) -> Path:
    """Checked before anything is measured: a name of ours that is somebody else's is refused."""
    try:
        if out is None:
            return reserved(default_path("diagnose")).resolve()
        Made(out).check(*FILES)
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise HarnessError(f"--out={out}: cannot be written: {error.strerror or error}") from error
    return out.resolve()
