"""A user that the system does not know, as `--user 12345` makes one in a container: what is asked for its name answers.

In: the environment. Out: a name in it. Must not know who asks.
"""

from __future__ import annotations

import getpass
import os


def name_user() -> None:
    """Give a user without a name one in the environment, where getpass looks first: torch asks it for the name of a
    folder, and ends if there is none."""
    try:
        getpass.getuser()
    except (KeyError, OSError):
        os.environ["LOGNAME"] = f"uid-{os.getuid()}"
