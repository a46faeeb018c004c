"""Errors that are the user's to mend, told in one line.

In: nothing. Out: exception types with the exit status that the command line gives them. Must not know any stage.
"""

from __future__ import annotations

import sys

from harness.core.text import shown


class HarnessError(Exception):
    """Something the user can mend; the message is one line and says how."""

    exit_status = 1


class ConfigError(HarnessError):
    """A value that is refused before anything starts.

    key: the config key as it is written on the command line; value: what was given;
    allowed: what would be accepted, as the end of the sentence "allowed: ...".
    """

    exit_status = 2

    def __init__(self, key: str, value: object, allowed: str) -> None:
        shown = " ".join(str(value).split())
        if len(shown) > 120:
            shown = shown[:117] + "..."
        super().__init__(f"{key}={shown}: not allowed; allowed: {' '.join(allowed.split())}")
        self.key, self.value, self.allowed = key, value, allowed


class UsageError(HarnessError):
    """A word on the command line that is none of ours; the message says what was meant, most likely."""

    exit_status = 2


def tell(error: HarnessError) -> None:
    """Print an error as the one line it is; how a command is used has several."""
    # A value may come from a run directory, and so from anybody.
    lines = str(error).split("\n") if isinstance(error, UsageError) else [str(error)]
    print("harness: error:", "\n".join(map(shown, lines)), file=sys.stderr)
