"""The command `harness trace`: where the devices of a job that ran elsewhere were idle, from its profiler traces.

In: arguments. Out: tables in a folder, sentences, an exit status. Must not know how idle time is told apart.
"""

from __future__ import annotations

import csv
import glob
import io
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from harness.commands.parser import Parser
from harness.core.errors import ConfigError, HarnessError
from harness.core.files.made import Made
from harness.core.text import shown
from harness.trace.looked import looked_at
from harness.trace.reading.trace import Trace, read_trace
from harness.trace.rows import COLUMNS, GAP_COLUMNS, gap_rows, rows
from harness.trace.sentences import sentences

ENDINGS = (".json", ".json.gz")
TABLE, GAPS = "trace.csv", "gaps.csv"


def main(arguments: list[str]) -> int:
    """`harness trace FILE|FOLDER|GLOB... [--out DIR] [--steps A:B]`. Answers the exit status."""
    parser = Parser(
        prog="harness trace",
        description="Say where devices were idle, and what they waited for, from traces of torch.profiler "
        "(Chrome trace JSON, plain or gzip, a file a rank). docs/trace.md has the rules.",
    )
    parser.add_argument("trace", nargs="+", metavar="FILE|FOLDER|GLOB", help="of one rank, or of many")
    parser.add_argument(
        "--out", type=Path, default=Path("trace"), help="folder for the tables (default trace)"
    )
    parser.add_argument(
        "--steps", type=_steps, metavar="A:B", help="steps A to B alone, as ProfilerStep#A numbers them"
    )
    parsed = parser.parse_args(arguments)
    ranks = [looked_at(trace, parsed.steps) for trace in _read(_files(parsed.trace))]
    made = Made(parsed.out)
    _write(made, TABLE, COLUMNS, (row for rank in ranks for row in rows(rank)))
    _write(made, GAPS, GAP_COLUMNS, (row for rank in ranks for row in gap_rows(rank)))
    console = Console()
    for rank in ranks:
        for text in sentences(rank):
            console.print(Text(shown(text)), soft_wrap=not console.is_terminal)
    for name in (TABLE, GAPS):
        console.print(Text(str(parsed.out / name)), soft_wrap=True)
    return 0


def _steps(text: str) -> range:
    found = re.fullmatch(r"(\d{1,9}):(\d{1,9})", text)
    if not found or int(found[1]) > int(found[2]):
        raise ConfigError("--steps", text, "A:B, the first and the last step, e.g. 5:9")
    return range(int(found[1]), int(found[2]) + 1)


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


def _read(files: Iterable[Path]) -> list[Trace]:
    """Raises HarnessError where one cannot be read, or two are of one rank."""
    traces: dict[int | None, Trace] = {}
    unnamed: list[Trace] = []
    for file in files:
        try:
            trace = read_trace(file)
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


def _write(made: Made, name: str, columns: Sequence[str], table: Iterable[dict[str, Any]]) -> None:
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    for row in table:
        writer.writerow({key: _cell(value) for key, value in row.items()})
    made.write_text(name, text.getvalue())


def _cell(value: object) -> object:
    if value is None or value != value:  # NaN
        return ""
    return f"{value:.9g}" if isinstance(value, float) else value
