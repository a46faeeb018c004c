"""`python -m harness` is `harness`, and does not import from the current directory either."""

import os
import sys

# Python has put the current directory first on the path. What it holds is nobody's word, unless it is this checkout.
# pathlib would be imported from there; os and sys are loaded already.
HERE, ROOT = os.getcwd(), __file__.rsplit("/", 2)[0]  # noqa: PTH109
if sys.path[0] == HERE != ROOT and not getattr(sys.flags, "safe_path", False):
    del sys.path[0]

from harness.commands.cli import main  # noqa: E402

sys.exit(main())
