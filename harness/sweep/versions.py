"""Whether a start is by the sources that the sweep was submitted with, and by those that began it.

In: digests of sources. Out: sentences. Must not know what differs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from harness.cluster.submitting.submission import REVISION
from harness.records.kinds import Start


def other_versions(now: str, starts: Sequence[Start], environ: Mapping[str, str]) -> Iterator[str]:
    """now: of this start (harness.core.files.revision). starts: those before."""
    if (submitted := environ.get(REVISION, now)) != now:
        yield (
            f"the harness was changed since this job was submitted ({submitted} then, {now} now): it measures by "
            "what it is now"
        )
    before = dict.fromkeys(start.revision for start in starts if start.revision and start.revision != now)
    if before:
        yield (
            f"the harness was changed since this run was begun ({', '.join(before)} then, {now} now): what differs "
            "between the two is in the figures"
        )
