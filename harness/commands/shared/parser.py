"""The parser of a command's arguments, whose refusals are one line as all others are.

In: options as argparse has them. Out: what was given, or UsageError. Must not know any command.
"""

from __future__ import annotations

import argparse
import re
from typing import NoReturn

from harness.core.errors import UsageError
from harness.plan.allowed.nearest import nearest


class Parser(argparse.ArgumentParser):
    """Refuses by an exception, where argparse prints its usage over many lines and ends the process."""

    def error(self, message: str) -> NoReturn:
        known = list(self._option_string_actions)
        wrong = message.partition("unrecognized arguments: ")[2].partition(" ")[0].partition("=")[0]
        if found := re.search(r"invalid choice: '(.*)' \(choose from (.*)\)$", message, re.DOTALL):
            wrong, known = found[1], re.findall(r"[\w-]+", found[2])
            message = f"{wrong}: not a command; allowed: {', '.join(known)}"
        near = nearest(wrong, known) if wrong else ""
        said = " ".join(message.split()) + (f" (the nearest: {near})" if near else "")
        raise UsageError(f"{said}; {self.prog} --help tells more")
