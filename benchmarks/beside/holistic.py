"""Idle time by HolisticTraceAnalysis, as its users have it. Knows nothing of the harness; runs in an environment of its
own. Prints one line of JSON: device time in us, from the first work to the last, idle, and its own causes' sums.
"""

from __future__ import annotations

import json
import sys

from hta.trace_analysis import TraceAnalysis


def main() -> None:
    """Analyse one file and print."""
    analysis = TraceAnalysis(trace_files={0: sys.argv[1]}, trace_dir="", include_last_profiler_step=True)
    temporal = analysis.get_temporal_breakdown(visualize=False).iloc[0].to_dict()
    causes: dict[str, float] = {}
    found, _ = analysis.get_idle_time_breakdown(ranks=[0], visualize=False)
    for row in found.to_dict("records"):
        name = str(row["idle_category"])
        causes[name] = causes.get(name, 0.0) + float(row["idle_time"])
    print(json.dumps({"temporal": {key: float(value) for key, value in temporal.items()}, "causes": causes}))


if __name__ == "__main__":
    main()
