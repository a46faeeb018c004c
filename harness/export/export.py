"""`harness export`: a compiled model with its parameters in a file, to be run without Python.

In: a model's options, a mode, a file name. Out: the file, and a reference to check it against. The file
holds code of its author, as a program does; nothing is unpickled here. Must not know sweeps or timing.
"""

from __future__ import annotations

import argparse
import os
import time
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ground.private import private_folder
from harness.core.axes import AXES
from harness.core.errors import ConfigError, HarnessError
from harness.core.files import beneath
from harness.core.schema import yes_no
from harness.export.options import MODES, Order, read_order
from harness.export.reference import is_reference, reference_path, write_reference
from harness.modes import get_mode

if TYPE_CHECKING:
    import torch

EPILOG = """\
options of the model, as in a sweep but one value each:
  depth=64 width=64, or hidden=[256,128]; in_features=512 out_features=2; batch=1; dtype=float32; seed=0;
  device=cpu or device=cuda

FILE holds code, which runs when it is loaded: load only files from authors you trust. docs/export.md
"""


@dataclass(frozen=True)
class Saved:
    """What came of it. parameters: their number; size: bytes; times in seconds; gap: difference from eager."""

    parameters: int
    size: int
    save_s: float
    load_s: float
    gap: float


def main(arguments: list[str]) -> int:
    """Run `harness export` with these arguments. Answers the exit status; raises HarnessError for refusals."""
    parser = argparse.ArgumentParser(
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


def export(order: Order) -> Saved:
    """Save the model and its reference, both or none.

    Raises HarnessError where it cannot be saved, or what is loaded again does not compute what eager does.
    """
    check_replaceable(order.out)
    try:
        with private_folder("export") as folder:
            return _export(order, folder)
    except OSError as error:
        raise HarnessError(f"--out={order.out}: cannot be written: {error.strerror or error}") from error


def check_replaceable(out: Path) -> None:
    """Raises ConfigError where the model or its reference would replace a file that no export has made."""
    reference = reference_path(out)
    if os.path.lexists(reference) and not is_reference(reference):
        raise ConfigError(
            "--out", out, f"a name beside which there is no {reference.name} of another program"
        )
    if os.path.lexists(out) and not is_reference(reference):
        raise ConfigError(
            "--out", out, "a new file, or one that harness export made (its .reference beside it)"
        )


def _export(order: Order, folder: Path) -> Saved:
    import torch

    from harness.workloads.comparison import TOLERANCE, difference
    from harness.workloads.model import build_batch, build_model

    # As a rank of the harness is set. One thread: AOTInductor compiles the number into the code.
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    point, device = order.point, torch.device(order.device)
    with torch.no_grad(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"`torch\.jit\.\w+` is deprecated")
        try:
            model = build_model(point.sizes, dtype=point.dtype, device=device, seed=order.seed).eval()
            inputs, _ = build_batch(
                point.batch,
                point.sizes[0],
                point.sizes[-1],
                dtype=point.dtype,
                device=device,
                seed=order.seed * 100_003 + 1,  # the batch of a sweep's rank 0
            )
            expected = model(inputs)
            # Under its final name, which the archive repeats inside.
            file = folder / order.out.name
            save_s = _seconds(lambda: _save(point.mode, model, inputs, file))
            loaded: list[Any] = []
            load_s = _seconds(lambda: loaded.append(_load(point.mode, file, device)))
            gap = difference([loaded[0](inputs)], [expected])
        except (RuntimeError, OSError, ImportError) as error:
            said = " ".join(str(error).split())[:500]
            raise HarnessError(
                f"--mode={point.mode}: the model cannot be saved and loaded: {said}"
            ) from error
        tolerance = TOLERANCE[point.dtype]
        if not gap <= tolerance:
            raise HarnessError(
                f"--mode={point.mode}: the output of what was saved differs from eager's by {gap:.3g} of its "
                f"largest value, tolerance {tolerance:g}; nothing was written"
            )
        size = file.stat().st_size
        reference = reference_path(file)
        write_reference(reference, _fields(order), inputs, expected, tolerance=tolerance, file_bytes=size)
        # The reference first: by it a model is known to be of an export.
        for made in (reference, file):
            with made.open("rb") as content:
                beneath.replace(order.out.parent, made.name, content)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    return Saved(parameters, size, save_s, load_s, gap)


def _save(mode: str, model: torch.nn.Module, inputs: torch.Tensor, file: Path) -> None:
    import torch

    if mode == "aoti":
        from harness.modes.packaged import write_package

        write_package(model, inputs, file)
        return
    save: Any = torch.jit.save
    save(get_mode(mode).prepare(model, inputs), str(file))


def _load(mode: str, file: Path, device: torch.device) -> Callable[..., Any]:
    import torch

    # What this process has just written; of other authors nothing is loaded here.
    load: Any = torch.jit.load
    if mode == "aoti":
        from torch._inductor import aoti_load_package

        package: Callable[..., Any] = aoti_load_package(str(file))
        return package
    module: Callable[..., Any] = load(str(file), map_location=device)
    return module


def _seconds(action: Callable[[], object]) -> float:
    start = time.monotonic()
    action()
    return time.monotonic() - start


def _fields(order: Order) -> dict[str, object]:
    import torch

    plain = asdict(order.point)
    axes = {axis: plain[axis] for axis in AXES}
    versions = {"seed": order.seed, "torch": torch.__version__}
    mode = get_mode(order.point.mode)
    of_mode = {name: yes_no(getattr(mode, name)) for name in ("needs_python", "holds_lock")}
    return {"key": order.point.key, **axes, **of_mode, "nodes": 1, "device_kind": order.device, **versions}


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
