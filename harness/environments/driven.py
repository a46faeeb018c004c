"""What a driver can prepare: the words by which it is asked.

In: nothing. Out: names. Must not know how any of it is done.
"""

from __future__ import annotations

# As the axis `mode` calls them (driving/driver.py has them all). What a framework's version lacks, it says itself.
MODES = ("eager", "symbolic", "script", "trace", "frozen", "compile")
