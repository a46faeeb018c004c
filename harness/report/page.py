"""report.html: one file that needs nothing else.

In: the parts of a report. Out: HTML with the figures inside. Must not know how figures are drawn.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path

import jinja2
import pandas as pd
from markupsafe import Markup

from harness.core import warnings
from harness.core.schema import COLUMNS, INTEGER_COLUMNS, TEXT_COLUMNS
from harness.report.content import Content
from harness.report.findings.foremost import RULE, answer, foremost
from harness.report.findings.told import Told
from harness.report.interactive.data import embedded, points_json
from harness.report.interactive.library import NoLibrary, is_safe, library
from harness.report.interactive.maps import labelled
from harness.report.interactive.policy import policy
from harness.report.plotting import load_matplotlib
from harness.report.shown.grouped import Group, grouped, picture, showing
from harness.report.shown.image import inline
from harness.report.shown.standing import standing
from harness.report.summary import by_remedy
from harness.report.table.formats import held, one_line, plain
from harness.report.table.tidy import EMULATED_MARK

# For who runs no script: more rows would make a page that no browser opens quickly, and are in points.csv.
MOST_ROWS = 1000

# What is named beside the answer where it is of its points, since it puts the answer itself in doubt.
URGENT = (warnings.QUIETER, warnings.FEWER, warnings.LONGER, warnings.REAL)

TEMPLATES = Path(__file__).parent / "templates"
SCRIPTS = ("crossover.js", "report.js")


def _number(value: float, whole: bool) -> str:
    if not math.isfinite(value):
        return ""
    return str(int(value)) if whole else plain(float(f"{value:.4g}"))


def _full_table(table: pd.DataFrame) -> tuple[list[str], list[list[str]], list[str]]:
    """Headers and rows as text, of the first rows, and the columns left out because none of them has a value there."""
    headers, columns, empty = [], [], []
    shown = table.head(MOST_ROWS)
    for name in (["run"] if (table["run"] != "").any() else []) + list(COLUMNS):
        if name == "run" or name in TEXT_COLUMNS:
            cells = shown[name].tolist()
        else:
            cells = [_number(value, name in INTEGER_COLUMNS) for value in shown[name].tolist()]
        if any(cells):
            headers.append(name)
            columns.append(cells)
        else:
            empty.append(name)
    return headers, [list(row) for row in zip(*columns, strict=True)], empty


def templates() -> jinja2.Environment:
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_held,
    )
    # Of a page that runs no script; one that does says which.
    made.globals["policy"] = policy()
    return made


def _held(value: object) -> object:
    """Text that a page sets; what is escaped already (`|e`: configuration, what a script reads) stays as it is."""
    return held(value) if type(value) is str else value


def render(content: Content) -> str:
    headers, rows, empty = _full_table(content.table)
    numeric = [name != "run" and name not in TEXT_COLUMNS for name in headers]
    groups = grouped(content.figures)
    found = answer(content.told)
    first = picture(groups, found.shown_by, found.row)
    best = foremost(content.told)
    remedies = by_remedy(content.warnings)
    taken = {id(each.told) for each in best}
    scripts, no_library = _scripts() if headers else ([], "")
    return (
        templates()
        .get_template("report.html.j2")
        .render(
            content=content,
            title=content.title,
            policy=policy(scripts),
            answer=found.crux,
            picture=first.group if first else None,
            pictured=first.place if first else 0,
            groups=groups,
            foremost=[
                {"question": each.question, **_sourced(each.told, groups), "text": each.text} for each in best
            ],
            rule=RULE,
            others=[_sourced(told, groups) for told in content.told if id(told) not in taken],
            remedies=remedies,
            standing=standing(content.table, found.row, URGENT),
            images=[inline(figure.svg.read_bytes()) for figure in content.figures],
            headers=headers,
            rows=rows,
            numeric=numeric,
            empty=empty,
            definitions=COLUMNS,
            emulated_mark=EMULATED_MARK,
            # Neither is text of anybody's: JSON without a character of HTML, and scripts known by their hashes.
            points=Markup(points_json(content.table, *_colours(content.table))) if headers else "",
            crossover=Markup(embedded(labelled(content.crossover)))
            if content.crossover.get("maps") and headers
            else "",
            scripts=[Markup(script) for script in scripts],
            no_library=no_library,
        )
    )


def _scripts() -> tuple[list[str], str]:
    """What the page runs, in this order, and why the library is not among it."""
    own = [(TEMPLATES / name).read_text(encoding="utf-8") for name in SCRIPTS]
    if not all(map(is_safe, own)):
        raise ValueError(f"{' or '.join(SCRIPTS)} cannot stand in a page")
    try:
        return [library(), *own], ""
    except NoLibrary as error:
        return own, one_line(str(error), 200)


def _colours(table: pd.DataFrame) -> tuple[dict[str, str], dict[str, str]]:
    """Those of modes, as the figures have them, and of environments."""
    load_matplotlib()
    from harness.report.figures.drawing.style import environment_colours, mode_styles

    modes = {mode: style.colour for mode, style in mode_styles(table["mode"]).items()}
    return modes, environment_colours(table["environment"])


def _sourced(told: Told, groups: Sequence[Group]) -> dict[str, str]:
    """A sentence with where its figure is, and which rows it is about."""
    shown = showing(groups, told.shown_by, told.row) or showing(groups, told.shown_by, told.rows)
    rows = json.dumps([[name, str(value)] for name, value in told.at]) if told.shown_by else ""
    return {"text": told.text, "figure": shown.link if shown else "", "rows": rows}
