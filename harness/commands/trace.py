"""The command `harness trace`: where the devices of a job that ran elsewhere were idle, from its profiler traces.

In: arguments. Out: a report in a folder, sentences, an exit status. Must not know how idle time is told apart.
"""

from __future__ import annotations

import glob
import re
import shlex
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from harness.commands.shared.on_terminal import Progress, print_words, progress
from harness.commands.shared.parser import Parser
from harness.core.collector import no_collections
from harness.core.errors import ConfigError, HarnessError
from harness.core.text import shown
from harness.report.failures import tell_failed
from harness.report.traces import write_trace_report
from harness.trace.answers.answer import answers
from harness.trace.answers.sentences import sentences
from harness.trace.calibration import PROFILER_US, calibration
from harness.trace.looked import looked_at
from harness.trace.reading.reader import read_trace
from harness.trace.reading.trace import Trace
from harness.trace.together import hold_together

ENDINGS = (".json", ".json.gz")


def main(arguments: list[str]) -> int:
    """`harness trace FILE|FOLDER|GLOB... [--out DIR] [--steps A:B] [--calibrate DIR]`. Answers the exit status."""
    parser = Parser(
        prog="harness trace",
        description="Say where devices were idle, and what they waited for, from traces of torch.profiler "
        "(Chrome trace JSON, plain or gzip, a file a rank). docs/trace.md has the rules.",
    )
    parser.add_argument("trace", nargs="+", metavar="FILE|FOLDER|GLOB", help="of one rank, or of many")
    parser.add_argument(
        "--out", type=Path, default=Path("trace"), help="folder for the report (default trace)"
    )
    parser.add_argument(
        "--steps", type=_steps, metavar="A:B", help="steps A to B alone, as ProfilerStep#A numbers them"
    )
    parser.add_argument(
        "--node-devices",
        type=_positive,
        metavar="N",
        default=8,
        help="ranks a node, to name a rank's (default 8)",
    )
    parser.add_argument(
        "--tables", action="store_true", help="sentences and CSV alone: no figures, page or timelines"
    )
    parser.add_argument(
        "--calibrate",
        type=Path,
        metavar="DIR",
        help="instead of a report write what `python -m emulator fit` takes: kernels with sizes, launches, gaps",
    )
    parser.add_argument(
        "--profiler-us",
        type=_microseconds,
        metavar="US",
        default=PROFILER_US,
        help=f"what the profiler adds to a launch, taken off with --calibrate (default {PROFILER_US:g})",
    )
    parsed = parser.parse_args(arguments)
    with no_collections(), progress() as bar:
        traces = _read(_files(parsed.trace), bar)
        if parsed.calibrate:
            bar.told("reading sizes")
            return _calibrate(traces, parsed.profiler_us, parsed.calibrate)
        _check_steps(traces, parsed.steps)
        bar.told("looking at gaps")
        ranks = [looked_at(trace, parsed.steps, parsed.node_devices) for trace in traces]
        hold_together(ranks)
        found = answers(ranks)
        said = list(sentences(found))
        report = write_trace_report(found, said, parsed.out, bar.told, tables_only=parsed.tables)
    for text in said:
        print_words(shown(text))
    for path in report.files:
        print(path)
    return tell_failed(report.failed, f"harness trace {shlex.join(arguments)}")


def _calibrate(traces: Sequence[Trace], profiler_us: float, folder: Path) -> int:
    found = calibration(traces, profiler_us)
    folder.mkdir(parents=True, exist_ok=True)
    told = pd.DataFrame(found.told.items(), columns=["key", "value_us"])
    for name, table in (("products", found.products), ("kernels", found.kernels), ("told", told)):
        table.to_csv(folder / f"{name}.csv", index=False)
        print_words(f"{folder / name}.csv: {len(table)} rows")
    if found.products.empty:
        print_words(
            "No matrix product has its sizes: record with record_shapes=True (torch.profiler.profile)."
        )
    return 0


def _microseconds(text: str) -> float:
    if not re.fullmatch(r"\d{1,4}(\.\d{1,6})?", text):
        raise ConfigError("--profiler-us", text, "microseconds, as 3 or 2.5")
    return float(text)


def _positive(text: str) -> int:
    if not re.fullmatch(r"[1-9]\d{0,5}", text):
        raise ConfigError("--node-devices", text, "a whole number from 1 to 999_999")
    return int(text)


def _steps(text: str) -> range:
    found = re.fullmatch(r"(\d{1,9}):(\d{1,9})", text)
    if not found or int(found[1]) > int(found[2]):
        raise ConfigError("--steps", text, "A:B, the first and the last step, e.g. 5:9")
    return range(int(found[1]), int(found[2]) + 1)


def _check_steps(traces: Sequence[Trace], only: range | None) -> None:
    """Raises ConfigError where a trace has none of the steps that are asked for."""
    for trace in traces:
        if only is not None and not any(number in only for number in trace.steps):
            marked = f"steps of {min(trace.steps)}:{max(trace.steps)}" if trace.steps else "no --steps"
            raise ConfigError(
                "--steps", f"{only[0]}:{only[-1]}", f"{marked}, as {trace.path.name} marks them"
            )


def _files(named: Sequence[str]) -> list[Path]:
    """Raises ConfigError for a name behind which there is nothing."""
    found: dict[Path, None] = {}
    for name in named:
        path = Path(name)
        if path.is_dir():
            files = sorted(each for each in path.iterdir() if each.name.endswith(ENDINGS))
        else:
            files = [path] if path.exists() else sorted(map(Path, glob.glob(name, recursive=True)))  # noqa: PTH207
        if not files:
            raise ConfigError(
                "FILE", name, f"a trace, a folder with traces ({', '.join(ENDINGS)}), or a pattern of them"
            )
        found |= dict.fromkeys(files)
    return list(found)


def _read(files: Sequence[Path], bar: Progress) -> list[Trace]:
    """Raises HarnessError where one cannot be read, or two are of one rank."""
    traces: dict[int | None, Trace] = {}
    unnamed: list[Trace] = []
    bar.expect(files)
    for file in files:
        bar.told(f"reading {file.name}")
        try:
            trace = read_trace(file, bar.read)
        except OSError as error:
            raise HarnessError(f"{file}: cannot be read: {error.strerror or error}") from None
        if trace.rank is None:
            unnamed.append(trace)
        elif trace.rank in traces:
            other = traces[trace.rank].path
            raise ConfigError("FILE", file, f"one file a rank; {other} is of rank {trace.rank} as well")
        else:
            traces[trace.rank] = trace
    sizes = {trace.ranks for trace in traces.values()} - {None}
    if len(sizes) > 1:
        raise ConfigError(
            "FILE", files, f"ranks of one job; these are of jobs with {sorted(map(str, sizes))} ranks"
        )
    return [*unnamed, *(traces[rank] for rank in sorted(traces, key=lambda rank: rank or 0))]
