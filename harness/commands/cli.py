"""The command line: `harness diagnose|duel|compare|history|sweep|report|merge|predict|export|doctor|submit|trace|
passport|environment`.

In: arguments. Out: exit status. Must not know how a command does its work: each is imported
when it is called, so that `--help` is quick and `report` needs no torch.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from ground.private import NoPrivateFolder
from ground.user import name_user
from harness.commands.shared.parser import Parser
from harness.core.errors import HarnessError, tell
from harness.core.processes.interrupt import Interrupted, signals_raise, tell_interrupted
from harness.core.processes.streams import make_unbreakable

_OURS = ("harness", "ground", "emulator")
INSTALL = "'make setup' makes .venv with all that is needed, 'make login' .login with all but torch (wait for its end)"

Command = Callable[[list[str]], int]

DESCRIPTION = "Is Python what keeps the devices waiting, by how much, and what removes it?"

EPILOG = """examples:
  harness sweep                                   the default sweep (sweep=dispatch)
  harness sweep sweep=smoke out=/tmp/run          seconds; into a folder of your own
  harness sweep depth=[4,64] batch=[1] mode=[eager,script] timing=precise
  harness sweep dry_run=true                      the plan, and nothing else
  harness sweep resume=results/dispatch/...       measure only what is missing there
  harness sweep --help                            config groups and all keys
  harness report results/dispatch/...             write CSV, figures and page anew
  harness diagnose my_module:build --verify       your own model or step, in about a minute
  harness predict results/dispatch/... --profile h100x8 --devices 1,8,64
  harness duel here "torch==2.13.0"               another torch, or Python, in the same rounds as this one
  harness compare RUN_A RUN_B --fail-on slower    which points changed from one run to another
  harness history results/                        every point over all runs there, and where it changed
  harness passport                                what a call, an operator, a launch cost on this machine
  harness environment create torch-2.13           another torch, in a folder of its own
  harness export depth=64 width=64 batch=1 --mode script --out model.pt

exit status: 0 done; 1 failed, a part of a report too; 2 refused; 128 + n ended by signal n
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line. Answers the exit status: 0 done, 1 failed, 2 refused, 128 + n ended by signal n.

    argv: None for those of the process, whose standard streams are this command's alone then.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    name_user()
    if argv is None:
        make_unbreakable()
    try:
        with signals_raise():
            return _run(arguments)
    except Interrupted as stop:
        tell_interrupted(stop.line())
        return stop.exit_status
    except HarnessError as error:
        tell(error)
        return error.exit_status
    except NoPrivateFolder as error:
        tell(HarnessError(str(error)))
        return HarnessError.exit_status
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] in _OURS:
            raise
        tell(HarnessError(f"{sys.executable} has no {error.name}; {INSTALL}"))
        return HarnessError.exit_status


def _run(arguments: list[str]) -> int:
    # An editable installation leaves a relative entry, which torch looks for libraries in: below where one stands.
    sys.path[:] = [entry for entry in sys.path if entry.startswith("/")]
    # Before argparse: what follows `sweep` is Hydra's, and the others have parsers of their own.
    if own := _OWN_PARSERS.get(arguments[0] if arguments else ""):
        return own()(arguments[1:])
    return _parse_and_run(arguments)


def _sweep() -> Command:
    from harness.commands.composed.hydra_app import sweep

    return sweep


def _predict() -> Command:
    from harness.commands.predict import main as predict

    return predict


def _export() -> Command:
    from ground.private import private_temporary_folder
    from harness.commands.export import main as export

    def in_private(arguments: list[str]) -> int:
        # Of the whole process, which is this command's alone: inductor keeps what it compiles in a temporary folder
        # whose name another user can have taken, and remembers it.
        with private_temporary_folder("export"):
            return export(arguments)

    return in_private


def _merge() -> Command:
    from harness.commands.merge import main as merge

    return merge


def _submit() -> Command:
    from harness.commands.submit import main as submit

    return submit


def _trace() -> Command:
    from harness.commands.trace import main as trace

    return trace


def _passport() -> Command:
    from harness.commands.passport import main as passport

    return passport


def _environment() -> Command:
    from harness.commands.environment import main as environment

    return environment


def _diagnose() -> Command:
    from harness.commands.diagnose import main as diagnose

    return diagnose


def _duel() -> Command:
    from harness.commands.duel import main as duel

    return duel


def _compare() -> Command:
    from harness.commands.compare import main as compare

    return compare


def _history() -> Command:
    from harness.commands.history import main as history

    return history


_OWN_PARSERS: dict[str, Callable[[], Command]] = {
    "sweep": _sweep,
    "merge": _merge,
    "predict": _predict,
    "export": _export,
    "submit": _submit,
    "trace": _trace,
    "passport": _passport,
    "environment": _environment,
    "diagnose": _diagnose,
    "duel": _duel,
    "compare": _compare,
    "history": _history,
}


def _parse_and_run(arguments: list[str]) -> int:
    parser = Parser(
        prog="harness",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser("sweep", help="measure a sweep (Hydra overrides follow; see harness sweep --help)")
    commands.add_parser(
        "diagnose", help="what bounds a step of your own, what would remove it (harness diagnose --help)"
    )
    commands.add_parser(
        "duel", help="is one Python or torch slower than another? measured in turn (harness duel --help)"
    )
    commands.add_parser(
        "compare", help="which points changed from one run to another (harness compare --help)"
    )
    commands.add_parser(
        "history", help="points over all runs of a folder, and where they changed (harness history --help)"
    )
    commands.add_parser("merge", help="one run from those of a sweep's shards (harness merge --help)")
    commands.add_parser(
        "predict", help="step time and utilisation on other devices, from a run (harness predict --help)"
    )
    commands.add_parser("export", help="save a compiled model to run without Python (harness export --help)")
    commands.add_parser("trace", help="what devices waited for, from profiler traces (harness trace --help)")
    commands.add_parser(
        "passport", help="what the smallest things cost on this machine (harness passport --help)"
    )
    commands.add_parser(
        "environment", help="another Python or torch, made, listed, removed (harness environment --help)"
    )
    commands.add_parser(
        "submit", help="a sweep as jobs of SLURM, checked first (slurm/submit; slurm/README.md)"
    )
    report = commands.add_parser(
        "report", help="write points.csv, figures and page of finished or partial runs"
    )
    report.add_argument("run", nargs="+", type=Path, metavar="RUN", help="a run directory")
    report.add_argument(
        "--out",
        type=Path,
        help="folder to write to (default: the run; for several a new folder beside the first)",
    )
    report.add_argument(
        "--all-figures", action="store_true", help="draw every slice of a large sweep, however long it takes"
    )
    doctor = commands.add_parser("doctor", help="environment, devices, and what will limit a measurement")
    doctor.add_argument("--json", action="store_true", help="the environment as JSON, without advice")
    parsed = parser.parse_args(arguments)
    if parsed.command == "report":
        from harness.commands.report import report as run_report

        return run_report(parsed.run, parsed.out, parsed.all_figures)
    from harness.commands.doctor import doctor as run_doctor

    return run_doctor(as_json=parsed.json)


if __name__ == "__main__":
    sys.exit(main())
