"""`harness.load(RUN)`: what a report says of a run, as objects.

In: a run directory, which may be anybody's. Out: a LoadedRun, each part of which is made when it is asked for. Nothing
is written anywhere but to a private folder. Must not know torch, nor how figures are drawn.
"""

from __future__ import annotations

import html
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from harness.core.errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd

    from harness.analysis.run import Run


@dataclass(frozen=True)
class LoadedFigure:
    """A figure as a notebook shows it. caption: what to know of it."""

    name: str
    title: str
    caption: str
    svg: bytes
    png: bytes

    def _repr_svg_(self) -> str:
        return self.svg.decode("utf-8", errors="replace")

    def _repr_png_(self) -> bytes:
        return self.png


@dataclass(frozen=True)
class Finding:
    """A sentence of the report."""

    text: str

    def __str__(self) -> str:
        return self.text

    def _repr_html_(self) -> str:
        return f"<p>{html.escape(self.text)}</p>"


class Findings(Sequence[Finding]):
    """Sentences in the order of the page."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._all = tuple(Finding(text) for text in texts)

    @overload
    def __getitem__(self, place: int) -> Finding: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Finding]: ...
    def __getitem__(self, place: int | slice) -> Finding | Sequence[Finding]:
        return self._all[place]

    def __len__(self) -> int:
        return len(self._all)

    def __repr__(self) -> str:
        return "\n".join(f"- {finding}" for finding in self._all)

    def _repr_html_(self) -> str:
        return f"<ul>{''.join(f'<li>{html.escape(each.text)}</li>' for each in self._all)}</ul>"


class Figures(Mapping[str, LoadedFigure]):
    """Name -> figure, in the order of the page; all are drawn when the first is asked for."""

    def __init__(self, run: Run) -> None:
        self._run = run

    def __getitem__(self, name: str) -> LoadedFigure:
        return self._drawn[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._drawn)

    def __len__(self) -> int:
        return len(self._drawn)

    def __repr__(self) -> str:
        return f"figures: {', '.join(self._drawn) or 'none'}"

    @cached_property
    def _drawn(self) -> dict[str, LoadedFigure]:
        from ground.private import private_folder
        from harness.core.files.made import Made
        from harness.report.plotting import load_matplotlib
        from harness.report.summary import devices_present, is_strong
        from harness.report.table.tidy import tidy

        load_matplotlib()
        from harness.report.figures import draw

        run = self._run
        with private_folder("figures") as folder:
            drawn = draw(
                tidy(run.points),
                Made(Path(folder)),
                strong=[""] if is_strong(run) else [],
                installed={"": count} if (count := devices_present(run)) else {},
                timelines={"": run.timeline},
            )
            return {
                figure.svg.stem: LoadedFigure(
                    figure.svg.stem,
                    figure.title,
                    figure.caption,
                    figure.svg.read_bytes(),
                    figure.png.read_bytes(),
                )
                for figure in drawn.figures
            }


class LoadedRun:
    """points: a row a point (docs/columns.md). findings, figures: as the report has them. notes: what a reader must
    know of the run. config, environment: as the run has them."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self.figures = Figures(run)

    @cached_property
    def points(self) -> pd.DataFrame:
        return self._run.points.copy()

    @cached_property
    def findings(self) -> Findings:
        from harness.report.findings import findings

        return Findings(findings(self._run.points))

    @property
    def notes(self) -> tuple[str, ...]:
        alarm = (self._run.alarm,) if self._run.alarm else ()
        return (*alarm, *self._run.notes)

    @property
    def config(self) -> dict[str, Any]:
        return self._run.config

    @property
    def environment(self) -> dict[str, Any]:
        return self._run.environment

    def __repr__(self) -> str:
        return f"<run {self._run.label}: {len(self._run.points)} points>"

    def _repr_html_(self) -> str:
        """Findings, notes and the table of points; figures by their names, since drawing them takes seconds."""
        title = f"{self._run.label}: {len(self._run.points)} points"
        notes = "".join(f"<li>{html.escape(note)}</li>" for note in self.notes)
        table = self._run.points.dropna(axis="columns", how="all").to_html(
            max_rows=20, index=False, escape=True
        )
        return (
            f"<h3>{html.escape(title)}</h3>{self.findings._repr_html_()}"
            f"<details><summary>Notes</summary><ul>{notes}</ul></details>{table}"
        )


def load(run: str | os.PathLike[str]) -> LoadedRun:
    """A run directory, finished or not. Raises ConfigError where it is none."""
    from harness.analysis.run import load_run

    directory = Path(run)
    try:
        return LoadedRun(load_run(directory))
    except OSError as error:
        raise ConfigError(
            "RUN", directory, f"a run directory that can be read ({error.strerror or error})"
        ) from error
