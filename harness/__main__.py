"""`python -m harness` is `harness`."""

import sys

from harness.cli import main

sys.exit(main())
