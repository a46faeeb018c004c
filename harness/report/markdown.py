"""report.md.

In: the parts of a report. Out: GitHub markdown. Must not know how figures are drawn.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from harness.report.content import Content
from harness.report.table.formats import one_line

# A bracket pair with numbers inside, [2.9, 3.3], is an interval; any other could become a link.
_BRACKET = re.compile(r"\[(?!-?\d[\d., -]*\](?![(\[:]))")


def escaped(text: str) -> str:
    """One line in which nothing of markdown or HTML is obeyed."""
    line = one_line(text)
    for character in "\\`*_|~$#":
        line = line.replace(character, f"\\{character}")
    line = line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("@", "&#64;")
    return _BRACKET.sub(r"\\[", line)


def _table(headers: Sequence[str], rows: Iterable[Sequence[str]], numeric: Sequence[bool] = ()) -> list[str]:
    right = [*numeric, *[False] * (len(headers) - len(numeric))]
    lines = [headers, *rows]
    texts = ["| " + " | ".join(escaped(cell) for cell in line) + " |" for line in lines]
    return [texts[0], "|" + "|".join(" --: " if flush else " --- " for flush in right) + "|", *texts[1:], ""]


def render(content: Content) -> str:
    lines = [f"# {escaped(content.title)}", ""]
    lines += [f"Written {content.written} from {escaped('; '.join(content.runs))}.", ""]
    lines += [line for text in content.alarms for line in (f"**{escaped(text)}**", "")]
    lines += ["## Findings", "", *(f"- {escaped(text)}" for text in content.findings), ""]
    if content.notes:
        lines += ["## Notes", "", *(f"- {escaped(text)}" for text in content.notes), ""]
    lines += ["## Points", "", f"{escaped(content.status_line)}", ""]
    if content.warnings:
        lines += ["Warnings:", ""]
        lines += [f"- {escaped(w.name)} ({w.points}): {escaped(w.advice)}" for w in content.warnings] + [""]
    if content.calls:
        lines += ["### Total seconds for 1,000 calls", ""]
        lines += _table(list(content.calls[0]), [list(row.values()) for row in content.calls])
    for section in content.frameworks:
        lines += [f"### Frameworks: {escaped(section.where)}", ""]
        lines += _table(section.ways.headers, section.ways.rows, section.ways.numeric)
        if section.saved:
            lines += _table(section.saved.headers, section.saved.rows, section.saved.numeric)
        lines += [line for note in section.notes for line in (escaped(note), "")]
    if content.keys.headers:
        lines += _table(content.keys.headers, content.keys.rows, content.keys.numeric)
    lines += [
        text for note in (content.keys.constant, content.keys.omitted) if note for text in (escaped(note), "")
    ]
    lines += ["## Figures", ""]
    if content.no_figures:
        lines += [escaped(content.no_figures), ""]
    for figure in content.figures:
        # The file name is ours: letters, digits and hyphens.
        lines += [f"![{escaped(figure.title)}](figures/{figure.png.name})", "", escaped(figure.caption), ""]
    lines += [text for note in content.omitted for text in (escaped(note), "")]
    return "\n".join(lines).rstrip() + "\n"
