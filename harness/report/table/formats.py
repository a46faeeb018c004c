"""Numbers and names in words a reader takes in at once.

In: values. Out: short strings. Must not know tables, figures or files.
"""

from __future__ import annotations

import math
import re
import textwrap
import unicodedata
from collections.abc import Iterable

MISSING = ""
NO_BREAK = "\u00a0"
_UNITS = "%|[num]?s|[kKMGT]i?B(?:/s)?|[kMG]?Hz|m?[WJ]|GFLOP/s|TFLOP/s"
# Between a number and its unit: a line that ended there would tear them apart.
_BEFORE_UNIT = re.compile(rf"(?<=\d) (?=(?:{_UNITS})(?![\w%]))")


def significant(value: float, digits: int = 3) -> str:
    """Positional, never with an exponent; digits before the point are all kept: 0.00123, 12.3, 12346."""
    if not math.isfinite(value):
        return MISSING
    if value == 0:
        return "0"
    # Rounding first: 9.996 has its leading digit in another place once it is 10.0.
    rounded = float(f"{value:.{digits - 1}e}")
    decimals = max(digits - 1 - math.floor(math.log10(abs(rounded))), 0)
    return f"{value:.{decimals}f}"


def plain(value: float) -> str:
    """Tick labels: 0.05, 1, 16, 4096; no exponent and no trailing zeros."""
    text = significant(value, 6)
    return text.rstrip("0").rstrip(".") if "." in text else text


def ratio(value: float) -> str:
    """Three digits, more where three would round a difference from 1 away: 3.10, 12.3, 1.0004."""
    text = significant(value)
    digits = 4
    while text and float(text) == 1 and value != 1 and digits <= 9:
        text, digits = significant(value, digits), digits + 1
    return text


def times(value: float, low: float, high: float) -> str:
    """A speed-up with its interval, all with as many decimals as the one that needs most: `1.019x [1.007, 1.030]`.
    Three digits each would round an end more coarsely than what it is the end of."""
    if not (math.isfinite(low) and math.isfinite(high)):
        return f"{ratio(value)}x"
    places = max(len(ratio(each).partition(".")[2]) for each in (value, low, high))
    return f"{value:.{places}f}x [{low:.{places}f}, {high:.{places}f}]"


def share(value: float, low: float, high: float) -> str:
    """A share with its interval: `61 % [60 %, 62 %]`; without one the share alone."""
    ends = f" [{percent(low)}, {percent(high)}]" if math.isfinite(low) and math.isfinite(high) else ""
    return percent(value) + ends


def percent(share: float) -> str:
    """0.613 -> `61 %`; a decimal where whole numbers would hide what is there."""
    value = 100 * share
    return f"{value:.1f} %" if 0 < abs(value) < 9.95 else f"{value:.0f} %"


def count(number: int, noun: str) -> str:
    """`1 device`, `4 devices`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def listed(items: Iterable[object], final: str = "and") -> str:
    """`a`, `a and b`, `a, b and c`."""
    words = [str(item) for item in items]
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} {final} {words[-1]}" if words else ""


def held(text: str) -> str:
    """For text that is broken into lines: a number and its unit (`0 %`, `12 us`, `3 GiB/s`) stay on one."""
    return _BEFORE_UNIT.sub(NO_BREAK, text)


def wrapped(text: str, letters: int) -> list[str]:
    """Lines of so many letters, which part no number from its unit."""
    return [line.replace(NO_BREAK, " ") for line in textwrap.wrap(held(text), letters)]


def one_line(text: str, limit: int | None = None) -> str:
    """Control characters (escape sequences, line breaks) out, spaces folded, cut to `limit` characters."""
    clean = "".join(" " if unicodedata.category(c) in ("Cc", "Cf", "Zl", "Zp", "Cs") else c for c in text)
    clean = " ".join(clean.split())
    return clean if limit is None or len(clean) <= limit else clean[: limit - 3].rstrip() + "..."
