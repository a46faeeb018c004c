"""The command `harness export`: a compiled model with its parameters in a file, to be run without Python.

In: arguments. Out: what was saved, on the terminal, and an exit status. Must not know how a model is saved.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from harness.commands.shared.parser import Parser
from harness.export.export import Saved, export
from harness.export.options import MODES, Order, read_order
from harness.export.reference import reference_path

EPILOG = """\
options of the model, as in a sweep but one value each:
  depth=64 width=64, or hidden=[256,128]; in_features=512 out_features=2; batch=1; dtype=float32; seed=0;
  device=cpu or device=cuda

FILE holds code, which runs when it is loaded: load only files from authors you trust. docs/export.md
"""


def main(arguments: list[str]) -> int:
    """Run `harness export` with these arguments. Answers the exit status; raises HarnessError for refusals."""
    parser = Parser(
        prog="harness export",
        description="Save a compiled model with its parameters, checked against eager, to be run without Python.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("options", nargs="*", metavar="KEY=VALUE", help="the model (see below)")
    parser.add_argument("--mode", required=True, help=f"how it is compiled: {', '.join(MODES)}")
    parser.add_argument("--out", required=True, type=Path, metavar="FILE", help="aoti: must end in .pt2")
    parsed = parser.parse_intermixed_args(arguments)
    order = read_order(parsed.options, parsed.mode, parsed.out)
    _report(order, export(order))
    return 0


def _report(order: Order, saved: Saved) -> None:
    from harness.modes.native_build import problem, program_link

    point, reason = order.point, problem()
    runner = f"{program_link()} {order.out}   (make native builds the runner)"
    for name, value in (
        ("saved", f"{order.out} ({point.mode}) and {reference_path(order.out).name}"),
        ("model", f"{point.model}, batch {point.batch}, {point.dtype}, {order.device}"),
        ("size", f"{saved.size / 2**20:.2f} MiB, {saved.parameters:,} parameters"),
        ("save", f"{saved.save_s:.3f} s"),
        ("load", f"{saved.load_s:.3f} s"),
        ("checked", f"the output differs from eager's by {saved.gap:.1e} of its largest value"),
        ("run it", f"the runner cannot be built here: {reason}" if reason else runner),
        ("trust", "the file holds code: load only files from authors you trust"),
    ):
        print(f"{name:<8} {value}")
