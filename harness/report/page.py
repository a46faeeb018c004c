"""report.html: one file that needs nothing else.

In: the parts of a report. Out: HTML with the figures inside. Must not know how figures are drawn.
"""

from __future__ import annotations

import base64
import math
from pathlib import Path

import jinja2
import pandas as pd

from harness.core.schema import COLUMNS, INTEGER_COLUMNS, TEXT_COLUMNS
from harness.report.content import Content
from harness.report.table.formats import plain
from harness.report.table.tidy import EMULATED_MARK

TEMPLATES = Path(__file__).parent / "templates"


def inline(svg: Path) -> str:
    return "data:image/svg+xml;base64," + base64.b64encode(svg.read_bytes()).decode("ascii")


def _number(value: float, whole: bool) -> str:
    if not math.isfinite(value):
        return ""
    return str(int(value)) if whole else plain(float(f"{value:.4g}"))


def _full_table(table: pd.DataFrame) -> tuple[list[str], list[list[str]], list[str]]:
    """Headers and rows as text, and the columns left out because no row has a value in them."""
    headers, columns, empty = [], [], []
    for name in (["run"] if (table["run"] != "").any() else []) + list(COLUMNS):
        if name == "run" or name in TEXT_COLUMNS:
            cells = table[name].tolist()
        else:
            cells = [_number(value, name in INTEGER_COLUMNS) for value in table[name].tolist()]
        if any(cells):
            headers.append(name)
            columns.append(cells)
        else:
            empty.append(name)
    return headers, [list(row) for row in zip(*columns, strict=True)], empty


def templates() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def render(content: Content) -> str:
    headers, rows, empty = _full_table(content.table)
    numeric = [name != "run" and name not in TEXT_COLUMNS for name in headers]
    return (
        templates()
        .get_template("report.html.j2")
        .render(
            content=content,
            title=content.title,
            images=[inline(figure.svg) for figure in content.figures],
            headers=headers,
            rows=rows,
            numeric=numeric,
            empty=empty,
            definitions=COLUMNS,
            emulated_mark=EMULATED_MARK,
        )
    )
