"""The emulated node by itself: `python -m emulator build`, `run PROFILE -- COMMAND`, `fit`, `check`.

PROFILE is a file of conf/emulator/ or the name of one.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
from pathlib import Path

import yaml

from emulator.allowed import problems
from emulator.build import build
from emulator.environment import NODE, node_variables
from emulator.libraries import EmulatorError
from emulator.profile import Profile, profile_of
from ground.children import ending_with_parent
from ground.private import private_folder

PACKAGE = Path(__file__).resolve().parent


def main(arguments: list[str] | None = None) -> int:
    """Answers the exit status: of `run` the command's, 2 where something is refused, 130 after Ctrl-C."""
    parser = argparse.ArgumentParser(prog="python -m emulator", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("build", help="compile the stand-ins for the installed torch")
    run = commands.add_parser("run", help="run a command on an emulated node")
    run.add_argument("profile", help="v100x8, or the path of a profile")
    run.add_argument("argv", nargs=argparse.REMAINDER, help="-- COMMAND")
    if (arguments if arguments is not None else sys.argv[1:])[:1] in (["fit"], ["check"], ["-h"], ["--help"]):
        from emulator.fitting.commands import RUN, add_commands  # scipy takes a second to import

        add_commands(commands)
    options = parser.parse_args(arguments)
    try:
        if options.command in ("fit", "check"):
            return RUN[options.command](options, load_profile(options.profile), path_of(options.profile))
        if options.command == "build":
            print(build())
            return 0
        argv = options.argv[1:] if options.argv[:1] == ["--"] else options.argv
        if not argv:
            parser.error("run needs a command after --")
        return _run(load_profile(options.profile), argv)
    except (EmulatorError, OSError) as error:
        print(f"emulator: error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("emulator: ended by SIGINT", file=sys.stderr)
        return 128 + signal.SIGINT


def load_profile(name: str) -> Profile:
    """A profile by its name in conf/emulator/ or its path. Raises EmulatorError if there is no such one."""
    path = path_of(name)
    try:
        profile = profile_of(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (TypeError, ValueError, yaml.YAMLError) as error:
        raise EmulatorError(f"profile {name}: {' '.join(str(error).split())}") from None
    for key, value, allowed in problems(profile):
        raise EmulatorError(f"profile {name}: {key}={value}: not allowed; allowed: {allowed}")
    return profile


def path_of(name: str) -> Path:
    """The file of a profile. Raises EmulatorError if there is none."""
    known = {
        path.stem: path for folder in _folders() for path in folder.glob("*.yaml") if path.stem != "none"
    }
    path = known.get(name) or Path(name)
    if not path.is_file():
        raise EmulatorError(
            f"profile {name}: there is no such one; allowed: {', '.join(sorted(known))} or a file"
        )
    return path


def _folders() -> tuple[Path, ...]:
    """Where conf/emulator/ is: beside the package in a checkout, inside the harness when installed."""
    return PACKAGE.parent / "conf" / "emulator", PACKAGE.parent / "harness" / "conf" / "emulator"


def _run(profile: Profile, argv: list[str]) -> int:
    with private_folder("emulated") as folder:
        variables = node_variables(profile, folder)
        variables[NODE] = os.environ.get(NODE) or variables[NODE]
        return subprocess.run(
            argv, env={**os.environ, **variables}, preexec_fn=ending_with_parent()
        ).returncode


if __name__ == "__main__":
    sys.exit(main())
