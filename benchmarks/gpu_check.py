"""On a machine with a real GPU: does the CUDA path work, and how well does the emulated profile predict it?

Runs the tests that need a CUDA device, a short sweep on the GPU, and the same sweep on an emulated node of
the profile that fits it, on the same host, so that the host's part of every step is the same and only what
is modelled is tested. Prints a table of prediction against measurement and writes it beside the two runs.
Needs nothing that has to be fetched: not Hydra, no installation, only PYTHONPATH.
Run: make gpu-check, or python -m benchmarks.gpu_check
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

TOP = Path(__file__).resolve().parents[1]
NEEDED = {
    "torch": "torch",
    "numpy": "numpy",
    "pandas": "pandas",
    "scipy": "scipy",
    "yaml": "pyyaml",
    "psutil": "psutil",
    "rich": "rich",
}
# For the figures and the page of the two runs; without them the table is all there is.
FOR_THE_REPORT = {"seaborn": "seaborn", "matplotlib": "matplotlib", "jinja2": "jinja2"}

# The mark that transparent emulation has reached for training: Maya, EuroSys 2026.
MARK = 0.05
FIGURES = ("device_us", "issue_us", "step_us")
SWEEP: dict[str, Any] = {
    "depth": [4, 16, 64],
    "batch": [1, 256, 4096, 16384],
    "width": [1024],
    "devices": [1],
    "mode": ["eager", "script", "trace"],
    "workload": ["forward", "train"],
    "exclude": [{"workload": "train", "mode": "trace"}],
    "oversubscribe": True,
    "timeout_s": 60.0,
}


def main(arguments: list[str] | None = None) -> int:
    """Answers the exit status: 0 if the tests passed and both sweeps ran, whatever the prediction."""
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument(
        "--out", type=Path, help="folder for runs and table (default results/gpu-check/<UTC time>)"
    )
    options.add_argument("--profile", help="profile to hold against the GPU (default: by the GPU's name)")
    options.add_argument(
        "--fit", action="store_true", help="fit the profile to the GPU's kernels as well: OUT/fitted.yaml"
    )
    options.add_argument(
        "--rehearse", action="store_true", help="run on an emulated node, to try this program where no GPU is"
    )
    given = options.parse_args(arguments)
    if missing := _missing(NEEDED):
        print(
            f"gpu-check: missing: {', '.join(missing)}; install them, or carry them in a folder on PYTHONPATH "
            f"(pip install --target FOLDER {' '.join(missing)})",
            file=sys.stderr,
        )
        return 2
    if missing := _missing(FOR_THE_REPORT):
        print(f"gpu-check: without {', '.join(missing)} there are no figures and pages, only the table")
    from harness.records.files import default_path

    return _check(given.out or default_path("gpu-check"), given.profile, given.rehearse, given.fit)


def _missing(modules: dict[str, str]) -> list[str]:
    return [package for module, package in modules.items() if importlib.util.find_spec(module) is None]


def _check(out: Path, profile: str | None, rehearse: bool, fit: bool) -> int:
    from emulator.profile import EMULATED
    from harness.core.errors import HarnessError
    from harness.machine.environment import probe_torch

    try:
        devices = probe_torch()["devices"]
    except HarnessError as error:
        print(f"gpu-check: {error}", file=sys.stderr)
        return 2
    if not devices:
        print("gpu-check: torch sees no CUDA device; this is for a machine that has one", file=sys.stderr)
        return 2
    name = devices[0]["name"]
    if name.startswith(EMULATED) and not rehearse:
        print(f"gpu-check: {name} is emulated: nothing can be measured on it", file=sys.stderr)
        return 2
    print(f"gpu-check: {name}, {devices[0]['memory_mib'] / 1024:.0f} GiB", flush=True)
    tested = _tests()
    out.mkdir(parents=True, exist_ok=True)
    measured = _sweep(out / "measured", "auto", None)
    chosen = profile or _profile_for(name)
    if chosen is None:
        print(f"gpu-check: conf/emulator has no profile for {name}; --profile NAME chooses one")
        return 1 if not tested or measured is None else 0
    _kernels(out, chosen, fit)
    predicted = _sweep(out / "predicted", "emulated", chosen)
    if measured is None or predicted is None:
        return 1
    _compare(measured, predicted, chosen, out)
    return 0 if tested else 1


def _kernels(out: Path, profile: str, fit: bool) -> None:
    """Kernels of the GPU under the profiler, and how far the profile is from them; where asked for, fitted to them."""
    from benchmarks.kernels.measured import record
    from emulator.__main__ import main as emulator
    from harness.commands.trace import main as trace
    from harness.core.errors import HarnessError

    folder = out / "kernels"
    folder.mkdir(exist_ok=True)
    try:
        trace([str(record(folder)), "--calibrate", str(folder)])
    except (HarnessError, RuntimeError) as error:
        print(f"gpu-check: kernels are not held against the profile: {error}", file=sys.stderr)
        return
    tables = [str(folder / f"{name}.csv") for name in ("products", "kernels")]
    emulator(["check", *tables, "--profile", profile, "--csv", str(out / "kernels.csv")])
    if fit:
        told = str(folder / "told.csv")
        emulator(["fit", *tables, told, "--profile", profile, "--out", str(out / "fitted.yaml")])


def _tests() -> bool:
    """Run the tests that need a CUDA device, in a process of its own."""
    if _missing({"pytest": "pytest"}):
        print("gpu-check: pytest is missing: the tests are left out", file=sys.stderr)
        return False
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-c",
        os.devnull,
        "--rootdir",
        str(TOP),
    ]
    done = subprocess.run([*command, str(TOP / "tests" / "cuda")], cwd=TOP, env=_environment())
    print(f"gpu-check: the CUDA tests {'passed' if done.returncode == 0 else 'FAILED'}", flush=True)
    return done.returncode == 0


def _environment() -> dict[str, str]:
    from harness.core.processes.children import path_variables

    variables = path_variables()
    # The checkout first: a machine with a GPU may have no harness installed.
    return {
        **os.environ,
        **variables,
        "PYTHONPATH": f"{TOP}{os.pathsep}{variables['PYTHONPATH']}".rstrip(os.pathsep),
    }


def _profile_for(name: str) -> str | None:
    """The profile of conf/emulator/ that is named after the same product."""
    for product in ("V100", "A100", "H100", "H200"):
        if product in name:
            return f"{product.lower()}x8"
    return None


def _sweep(run: Path, kind: str, profile: str | None) -> Any:
    """Measure the sweep into a run directory; answers its points, or None where nothing could be measured."""
    from rich.console import Console

    from emulator.__main__ import load_profile
    from emulator.libraries import EmulatorError
    from harness.analysis.run import load_run
    from harness.core.errors import HarnessError
    from harness.plan.config import Config, DeviceConfig, TimingConfig
    from harness.plan.validate import validate
    from harness.sweep.outcome import report
    from harness.sweep.run import measure_sweep

    timing = TimingConfig(
        block_ms=8.0, sessions=3, max_sessions=3, builds=1, rounds=6, visit_rounds=6, max_cell_s=3.0
    )
    console = Console()
    try:
        config = Config(
            name="gpu-check",
            device=DeviceConfig(kind=kind),
            emulator=load_profile(profile) if profile else None,
            timing=timing,
            out=str(run),
            **SWEEP,
        )
        _, status = measure_sweep(validate(config), console)
        if status is None and not _missing(FOR_THE_REPORT):
            report(run, console)
    except (HarnessError, EmulatorError) as error:
        print(f"gpu-check: {kind}: {error}", file=sys.stderr)
        return None
    return load_run(run).points


def _compare(measured: Any, predicted: Any, profile: str, out: Path) -> None:
    """Print and write the table of prediction against measurement, point by point, and its errors."""
    both = measured[measured["status"] == "ok"].merge(
        predicted[predicted["status"] == "ok"], on="key", suffixes=("", "_predicted")
    )
    columns = ["workload", "depth", "width", "batch", "mode", "warnings"]
    for figure in FIGURES:
        both[f"{figure}_ratio"] = both[f"{figure}_predicted"] / both[figure]
        columns += [figure, f"{figure}_predicted", f"{figure}_ratio"]
    table = both[columns]
    table.to_csv(out / "prediction.csv", index=False, float_format="%.6g")
    print(table.to_string(index=False, float_format=lambda value: f"{value:.4g}"))
    lines = [
        f"Prediction of profile {profile} over measurement, {len(both)} points of one sweep on one host:",
        *(_error_line(both, figure) for figure in FIGURES),
        f"To aim at: {MARK:.0%}.",
    ]
    print("\n".join(lines))
    (out / "prediction.md").write_text(
        "\n\n".join(lines) + "\n\n```\n" + table.to_string(index=False) + "\n```\n", encoding="utf-8"
    )
    print(out / "prediction.csv")


def _error_line(both: Any, figure: str) -> str:
    error = (both[f"{figure}_ratio"] - 1).abs()
    return (
        f"{figure}: error {error.median():.1%} in the median, {error.quantile(0.9):.1%} at the 90th percentile; "
        f"ratios {both[f'{figure}_ratio'].min():.2f} to {both[f'{figure}_ratio'].max():.2f}"
    )


if __name__ == "__main__":
    sys.exit(main())
