"""The parts of a report, ready to be set in any format.

In: runs and what was drawn of them. Out: one value with all texts and tables. Must not know HTML or markdown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

import pandas as pd

from harness.analysis.run import Run
from harness.report import summary
from harness.report.findings import told
from harness.report.findings.told import Told
from harness.report.result import Figure
from harness.report.table.formats import listed, one_line
from harness.report.table.frameworks_section import FrameworksSection, sections
from harness.report.table.keytable import KeyTable, key_table
from harness.report.table.tidy import EMULATED_MARK, labels


@dataclass(frozen=True)
class Content:
    """Everything a report says. alarms: above all else. no_figures: empty where it does not apply. crossover: maps for
    a threshold that slides (harness.crossover.data.crossover_data); empty where there are none."""

    title: str
    runs: list[str]
    written: str
    alarms: list[str]
    told: list[Told]
    notes: list[str]
    status_line: str
    warnings: list[summary.Warned]
    calls: list[dict[str, str]]
    frameworks: list[FrameworksSection]
    figures: list[Figure]
    omitted: list[str]
    no_figures: str
    environments: list[tuple[str, list[tuple[str, str]]]]
    configs: list[tuple[str, str]]
    keys: KeyTable
    table: pd.DataFrame
    crossover: Mapping[str, Any] = field(default_factory=dict)

    @property
    def findings(self) -> list[str]:
        """The sentences alone."""
        return [each.text for each in self.told]


def _emulated(table: pd.DataFrame) -> str:
    if not table["emulated"].any():
        return ""
    if table["emulated"].all():
        return f"{EMULATED_MARK}. Every point of this report comes from an emulated device."
    number = int(table["emulated"].sum())
    return f"{EMULATED_MARK}: {number} of {len(table)} points of this report come from an emulated device."


def _no_figures(table: pd.DataFrame) -> str:
    if table.empty:
        return "There are no figures, since there are no points."
    if not table["ok"].any():
        return "There are no figures, since no point could be measured."
    return "There are no figures, since no axis has two values that could be compared."


def assembled(
    runs: Sequence[Run],
    table: pd.DataFrame,
    figures: list[Figure],
    omitted: list[str],
    said: list[Told] | None = None,
    crossover: Mapping[str, Any] | None = None,
) -> Content:
    """table: the tidy form of the points of all runs. said: its sentences, where they are known already."""
    names = list(dict.fromkeys(str(run.config.get("name") or run.label) for run in runs))
    counts = ", ".join(f"{number} {status}" for status, number in summary.statuses(table))
    several = len(runs) > 1
    of_frameworks = sections(table)
    return Content(
        title=one_line(f"Report on {listed(names) or 'no run'}", 200),
        runs=[
            # The directory's name is the time at which the run was started, in UTC.
            one_line(f"{label} ({run.directory})", 300)
            for run, label in zip(runs, labels(runs), strict=True)
        ],
        written=datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        alarms=[text for text in (_emulated(table), *summary.alarms(runs)) if text],
        told=told(table) if said is None else said,
        notes=summary.notes(runs),
        status_line=f"{len(table)} points: {counts}." if len(table) else "No points.",
        warnings=summary.warned(table),
        # What a section of frameworks has too, and more of it.
        calls=[] if of_frameworks else summary.thousand_calls(runs),
        frameworks=of_frameworks,
        figures=figures,
        omitted=omitted,
        no_figures="" if figures or omitted else _no_figures(table),
        environments=[
            (label if several else "", list(summary.flattened(run.environment)) if run.environment else [])
            for run, label in zip(runs, labels(runs), strict=True)
        ],
        configs=[
            (label if several else "", summary.config_text(run.config))
            for run, label in zip(runs, labels(runs), strict=True)
        ],
        keys=key_table(table),
        table=table,
        crossover=crossover or {},
    )
