"""A compiled model with its parameters in a file, to be run without Python.

In: a model's options, a mode, a file name. Out: the file, and a reference to check it against. The file
holds code of its author, as a program does; nothing is unpickled here. Must not know sweeps or timing.
"""

from __future__ import annotations

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
from harness.export.options import Order
from harness.export.reference import is_reference, reference_path, write_reference
from harness.modes import get_mode

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Saved:
    """What came of it. parameters: their number; size: bytes; times in seconds; gap: difference from eager."""

    parameters: int
    size: int
    save_s: float
    load_s: float
    gap: float


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

    from harness.models.mlp import build_batch, build_model
    from harness.workloads.comparison import TOLERANCE, difference

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
            load_s = _seconds(lambda: loaded.append(load_saved(point.mode, file, device)))
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


def load_saved(mode: str, file: Path, device: torch.device) -> Callable[..., Any]:
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
