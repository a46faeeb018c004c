"""Export and the runner in C++: what was saved is checked and timed with no Python in the process."""

from __future__ import annotations

import csv
import io
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from running import one_quick

from harness.commands.export import main
from harness.core.errors import ConfigError, HarnessError
from harness.core.schema import COLUMNS
from harness.core.stats.intervals import median_interval
from harness.export.options import read_order
from harness.modes import native_build

pytestmark = pytest.mark.skipif(
    native_build.problem() is not None, reason=f"the runner: {native_build.problem()}"
)
QUICK = ("--block-ms", "0.5", "--min-rounds", "8", "--max-rounds", "8")
MODEL = ["hidden=[6,5]", "in_features=7", "out_features=3", "batch=4"]


@dataclass
class Ran:
    status: int
    row: dict[str, str]
    columns: list[str]
    error: str


@pytest.fixture(scope="module")
def runner() -> Path:
    return native_build.program()


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """A saved model, made once for each set of arguments."""
    made: dict[tuple[str, ...], Path] = {}

    def export(mode: str, *options: str) -> Path:
        key = (mode, *options)
        if key not in made:
            file = tmp_path_factory.mktemp(mode) / ("model.pt2" if mode == "aoti" else "model.pt")
            assert main([*(options or MODEL), "--mode", mode, "--out", str(file)]) == 0
            made[key] = file
        return made[key]

    return export


def run(runner: Path, *words: str | Path) -> Ran:
    done = subprocess.run([runner, *words], capture_output=True, text=True, timeout=120)
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    columns = done.stdout.splitlines()[0].split(",") if rows else []
    assert done.returncode >= 0, f"ended by signal {-done.returncode}: {done.stderr}"
    return Ran(done.returncode, rows[0] if rows else {}, columns, done.stderr)


def copy(file: Path, folder: Path) -> Path:
    """The saved model and its reference, to be spoilt."""
    for path in (file, reference_of(file)):
        (folder / path.name).write_bytes(path.read_bytes())
    return folder / file.name


def reference_of(file: Path) -> Path:
    return file.with_name(file.name + ".reference")


@pytest.mark.parametrize("mode", one_quick("script", "trace", "aoti"))
@pytest.mark.long
def test_what_was_saved_runs_and_computes_what_eager_does(
    mode: str, exported: Callable[..., Path], runner: Path, tmp_path: Path
) -> None:
    rounds = tmp_path / "rounds"
    ran = run(runner, exported(mode), *QUICK, f"--rounds={rounds}")
    assert (ran.status, ran.row["status"], ran.row["error"], ran.error) == (0, "ok", "", "")
    assert ran.columns == list(COLUMNS)
    expected = {
        "model": "mlp-7-6-5-3",
        "depth": "3",
        "width": "6",
        "batch": "4",
        "devices": "1",
        "nodes": "1",
    }
    expected |= {"controller": "native", "workload": "forward", "dtype": "float32", "mode": mode}
    expected |= {"device_kind": "cpu", "threads": "1", "rounds": "8", "gil": "", "issue_us": ""}
    assert {name: ran.row[name] for name in expected} == expected
    steps_us = [float(line) for line in rounds.read_text().splitlines()]
    interval = median_interval(steps_us)
    found = [float(ran.row[name]) for name in ("step_us", "step_us_low", "step_us_high")]
    assert found == pytest.approx([interval.estimate, interval.low, interval.high], rel=1e-4)
    assert float(ran.row["throughput_samples_s"]) == pytest.approx(4e6 / interval.estimate, rel=1e-4)
    for name in ("prepare_s", "first_call_s", "process_peak_mib", "host_cpu_share", "steps"):
        assert float(ran.row[name]) > 0


@pytest.mark.parametrize("dtype", ["float64", "float16", "bfloat16"])
@pytest.mark.long
def test_every_dtype_goes_round(dtype: str, exported: Callable[..., Path], runner: Path) -> None:
    ran = run(runner, exported("script", "depth=2", "width=8", f"dtype={dtype}"), *QUICK)
    assert (ran.status, ran.row["status"], ran.row["dtype"]) == (0, "ok", dtype)


@pytest.mark.parametrize("rounds", [6, 9, 40, 61, 120, 1500])
@pytest.mark.long
def test_the_interval_is_that_of_the_harness(
    rounds: int, exported: Callable[..., Path], runner: Path, tmp_path: Path
) -> None:
    written, count = tmp_path / "rounds", str(rounds)
    limits = ("--block-ms=0.02", f"--min-rounds={count}", f"--max-rounds={count}", "--rel-width=1e-9")
    ran = run(runner, exported("script"), *limits, f"--rounds={written}")
    values = [float(line) for line in written.read_text().splitlines()]
    interval = median_interval(values)
    assert len(values) == rounds
    assert "capped" in ran.row["warnings"].split(";")
    assert float(ran.row["step_us_low"]) == pytest.approx(interval.low, rel=1e-5)
    assert float(ran.row["step_us_high"]) == pytest.approx(interval.high, rel=1e-5)


@pytest.mark.parametrize("mode", one_quick("script", "aoti"))
@pytest.mark.long
def test_no_python_is_mapped_into_the_process(mode: str, exported: Callable[..., Path], runner: Path) -> None:
    long = ("--min-rounds=100000", "--max-rounds=100000", "--max-s=1")
    process = subprocess.Popen([runner, exported(mode), *long], stdout=subprocess.PIPE, text=True)
    mapped = ""
    while process.poll() is None:
        mapped = max(mapped, Path(f"/proc/{process.pid}/maps").read_text(encoding="utf-8"), key=len)
        time.sleep(0.02)
    assert process.wait() == 0 and process.stdout and ",ok," in process.stdout.read()
    assert "libtorch_cpu" in mapped
    assert mode != "aoti" or "wrapper.so" in mapped
    assert "libpython" not in mapped and "libtorch_python" not in mapped
    linked = subprocess.run(["ldd", runner], capture_output=True, text=True, check=True).stdout
    assert "libpython" not in linked and "libtorch_python" not in linked


@pytest.mark.parametrize("value", [b"\x00\x00\x80\x3f", b"\x00\x00\xc0\x7f"], ids=["one", "not a number"])
@pytest.mark.long
def test_another_output_than_eagers_is_a_mismatch(
    value: bytes, exported: Callable[..., Path], runner: Path, tmp_path: Path
) -> None:
    file = copy(exported("script"), tmp_path)
    reference = reference_of(file)
    reference.write_bytes(reference.read_bytes()[:-4] + value)
    ran = run(runner, file, *QUICK)
    assert (ran.status, ran.row["status"], ran.row["step_us"]) == (1, "mismatch", "")
    assert "differs from eager's" in ran.row["error"]
    assert ran.error.count("\n") == 1 and str(file) in ran.error


def missing(file: Path) -> None:
    file.unlink()


def without_reference(file: Path) -> None:
    reference_of(file).unlink()


def cut(file: Path) -> None:
    reference = reference_of(file)
    reference.write_bytes(reference.read_bytes()[:-5])


def cut_in_header(file: Path) -> None:
    reference = reference_of(file)
    reference.write_bytes(reference.read_bytes()[:100])


def of_another_file(file: Path) -> None:
    file.write_bytes(file.read_bytes() + b"\0")


def of_another_kind(file: Path) -> None:
    reference_of(file).write_bytes(bytes(1000))


def huge(file: Path) -> None:
    reference = reference_of(file)
    reference.write_bytes(
        reference.read_bytes().replace(b"input_shape=4,7", b"input_shape=9999999999,9999999999")
    )


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (missing, "no such file"),
        (without_reference, "the export writes it beside the model"),
        (cut, "truncated"),
        (cut_in_header, "truncated"),
        (of_another_file, "export the model again"),
        (of_another_kind, "does not begin with"),
        (huge, "truncated"),
    ],
)
@pytest.mark.long
def test_files_that_are_no_pair_are_refused_in_one_line(
    spoil: Callable[[Path], None], said: str, exported: Callable[..., Path], runner: Path, tmp_path: Path
) -> None:
    file = copy(exported("script"), tmp_path)
    spoil(file)
    ran = run(runner, file)
    assert (ran.status, ran.row) == (2, {})
    assert said in ran.error and ran.error.count("\n") == 1


@pytest.mark.parametrize("mode", one_quick("script", "aoti"))
@pytest.mark.long
def test_what_is_no_model_is_a_failed_row(
    mode: str, exported: Callable[..., Path], runner: Path, tmp_path: Path
) -> None:
    file = copy(exported(mode), tmp_path)
    file.write_bytes(bytes(file.stat().st_size))
    ran = run(runner, file)
    assert (ran.status, ran.row["status"]) == (1, "failed")
    assert ran.row["error"] and ran.error.count("\n") == 1


@pytest.mark.parametrize(
    "words",
    [
        ("--device=cuda:99",),
        ("--device=tpu",),
        ("--threads=0",),
        ("--block-ms=nan",),
        ("--max-rounds=5",),
        ("--min-rounds=50", "--max-rounds=40"),
        ("--rounds",),
        ("--unknown=1",),
        ("another-file",),
    ],
)
@pytest.mark.long
def test_options_that_make_no_sense_are_refused_in_one_line(
    words: tuple[str, ...], exported: Callable[..., Path], runner: Path
) -> None:
    ran = run(runner, exported("script"), *words)
    assert (ran.status, ran.row) == (2, {})
    assert words[-1].split("=")[0] in ran.error and ran.error.count("\n") == 1


def test_an_export_whose_output_is_not_eagers_leaves_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.export.export.load_saved", lambda *_: lambda x: x.new_zeros(4, 3))
    with pytest.raises(HarnessError, match=r"differs from eager's by .* nothing was written"):
        main([*MODEL, "--mode", "script", "--out", str(tmp_path / "model.pt")])
    assert list(tmp_path.iterdir()) == []


def test_export_tells_size_times_and_how_to_run_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["depth=2", "width=8", "--mode", "script", "--out", str(tmp_path / "model.pt")])
    printed = capsys.readouterr().out
    for part in ("MiB, 144 parameters", "save ", "load ", f"harness-native {tmp_path / 'model.pt'}", "trust"):
        assert part in printed
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.pt", "model.pt.reference"]


@pytest.mark.parametrize(
    ("options", "mode", "out", "said"),
    [
        ("depth=0 width=8", "script", "m.pt", "depth=0"),
        ("depth=2 width=wide", "script", "m.pt", "width=wide"),
        ("depth=2", "script", "m.pt", r"width=\(missing\)"),
        ("depth=[2,3] width=8", "script", "m.pt", r"depth=\[2,3\]"),
        ("depth=2 width=8 hidden=[4]", "script", "m.pt", r"hidden=\[4\]"),
        ("hidden=[4,x]", "script", "m.pt", r"hidden=\[4,x\]"),
        ("depth=2 width=8 depth=3", "script", "m.pt", "depth=3"),
        ("depth=2 width=8 dtype=int8", "script", "m.pt", "dtype=int8.*bfloat16"),
        ("depth=2 width=8 seed=99999999999", "script", "m.pt", "seed=99999999999"),
        ("depth=2 width=8 device=tpu", "script", "m.pt", "device=tpu.*cpu, cuda"),
        ("depth=2 width=8 colour=red", "script", "m.pt", "colour=red"),
        ("depth=2 width=8 batch", "script", "m.pt", "batch"),
        ("depth=2 width=8", "eager", "m.pt", "--mode=eager.*script, trace, aoti"),
        ("depth=2 width=8", "aoti", "m.pt", r"--out=.*\.pt2"),
        ("depth=2 width=8", "script", "none/m.pt", "--out="),
    ],
)
def test_options_that_cannot_be_meant_are_refused(
    options: str, mode: str, out: str, said: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=said):
        read_order(options.split(), mode, tmp_path / out)


def test_options_mean_what_they_do_in_a_sweep(tmp_path: Path) -> None:
    point = read_order(["depth=64", "width=[64]", "batch=16"], "script", tmp_path / "m.pt").point
    assert (point.model, point.sizes, point.batch, point.controller) == (
        "mlp-64x64",
        (64,) * 65,
        16,
        "native",
    )
