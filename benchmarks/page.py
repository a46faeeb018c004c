"""How soon does a report's page answer in a browser, and how large is it?

Made-up points (five modes over depth, width, batch, devices and workload), written by the report itself with all that a
page has, opened in headless Chromium, each time by a fresh window: seconds from the address to a figure that is drawn
and a table that can be asked, and from a filter to what it leaves. Run: python -m benchmarks.page
"""

from __future__ import annotations

import math
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.common import parser, save, verdict
from harness.analysis.relations import verdicts
from harness.analysis.run import Run
from harness.core.schema import COLUMNS, INTEGER_COLUMNS, OK, TEXT_COLUMNS, yes_no
from harness.report.write import write_report

POINTS = 50_000
# What a reader waits for without wondering whether anything happens.
LIMIT_S = 2.0
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
# Microseconds to issue a layer.
ISSUE_US = {"eager": 9.0, "script": 3.0, "trace": 2.8, "frozen": 2.6, "native": 2.4}
DEPTHS, BATCHES, DEVICES, WORKLOADS = (1, 2, 4, 8, 16, 32, 64, 128), 10, (1, 2, 4, 8), ("forward", "train")
# When figure and table are there, in seconds since the address was asked for; a window's own clock is told of both.
WATCH = """
const there = () => {
  const chart = document.getElementById('chart'), said = document.getElementById('said');
  if (chart && chart.dataset.ready && said.textContent) window.answeredAt ??= performance.now() / 1000;
};
new MutationObserver(there).observe(document, { subtree: true, childList: true, attributes: true });
"""
FILTER = """
mode => new Promise(done => {
  const begun = performance.now(), chart = document.getElementById('chart');
  const list = document.querySelector('select[data-filter=mode]');
  const watch = new MutationObserver(() => {
    if (chart.dataset.ready) { watch.disconnect(); done((performance.now() - begun) / 1000); }
  });
  list.value = mode;
  list.dispatchEvent(new Event('change'));
  watch.observe(chart, { attributes: true });
})
"""


def main() -> int:
    """Answers the exit status: 0 if the limit is met."""
    options = parser(__doc__)
    options.add_argument("--points", type=int, default=POINTS, help=f"at least so many (default {POINTS:,})")
    options.add_argument("--times", type=int, default=5, help="windows that are opened (default 5)")
    arguments = options.parse_args()
    points = made_up(arguments.points)
    with tempfile.TemporaryDirectory() as folder:
        begun = time.perf_counter()
        run = Run("made-up", Path(folder) / "run", {"name": "made-up"}, {}, points)
        page = write_report([run], Path(folder)).html
        written_s = time.perf_counter() - begun
        size_mb = page.stat().st_size / 1e6
        with chromium() as browser:
            opened = [answered(browser, page) for _ in range(arguments.times)]
    until, filtered = (statistics.median(each) for each in zip(*opened, strict=True))
    rows = [
        {
            "points": len(points),
            "answers_s": until,
            "slowest_s": max(each for each, _ in opened),
            "filter_s": filtered,
            "page_mb": size_mb,
            "written_s": written_s,
        }
    ]
    save(rows, arguments.out, "page")
    return 0 if verdict(f"a page of {len(points):,} points answers", until, LIMIT_S, " s") else 1


def answered(browser: Any, page: Path) -> tuple[float, float]:
    """Seconds until figure and table are there, and from a filter until the figure follows."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    context.add_init_script(WATCH)
    window = context.new_page()
    window.goto(page.as_uri())
    window.wait_for_function("window.answeredAt !== undefined")
    taken = float(window.evaluate("window.answeredAt")), float(window.evaluate(FILTER, "script"))
    context.close()
    return taken


@contextmanager
def chromium() -> Iterator[Any]:
    """Within: a browser without a window."""
    from playwright.sync_api import sync_playwright

    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if found is None:
        sys.exit("no Chromium found: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=FLAGS)
        yield browser
        browser.close()


def made_up(least: int) -> pd.DataFrame:
    """At least so many points, as analysis leaves them: a step issues or computes, whichever takes longer."""
    a_width = len(DEPTHS) * BATCHES * len(DEVICES) * len(WORKLOADS) * len(ISSUE_US)
    widths = [64 + 16 * place for place in range(max(1, math.ceil(least / a_width)))]
    batches = [2**power for power in range(BATCHES)]
    names = ("depth", "width", "batch", "devices", "workload", "mode")
    table = pd.DataFrame(
        list(product(DEPTHS, widths, batches, DEVICES, WORKLOADS, ISSUE_US)), columns=list(names)
    ).head(math.ceil(least / len(ISSUE_US)) * len(ISSUE_US))
    chance = np.random.default_rng(0)
    factor = np.where(table["workload"] == "train", 3.0, 1.0)
    issue = table["depth"] * table["mode"].map(ISSUE_US) * factor
    work = table["depth"] * (1.2 + table["batch"] * (table["width"] / 64) ** 2 * 0.004) * factor
    step = np.maximum(issue, work) * chance.lognormal(0, 0.02, len(table))
    eager = step[table["mode"] == "eager"].repeat(len(ISSUE_US)).to_numpy()
    free = table["mode"] != "eager"
    numbers = {
        **{"step_us": step, "step_us_low": step * 0.98, "step_us_high": step * 1.02, "issue_us": issue},
        **{"device_us": work, "dispatch_share": (1 - work / step).clip(0, 1), "rounds": 30, "sessions": 5},
        **{"throughput_samples_s": table["batch"] * table["devices"] / step * 1e6, "nodes": 1, "steps": 3000},
        **{"speedup_vs_eager": eager / step},
        **{"speedup_low": eager / step * np.where(free, 0.98, 1.0)},
        **{"speedup_high": eager / step * np.where(free, 1.02, 1.0)},
    }
    texts = {
        "key": [f"{place:012x}" for place in range(len(table))],
        "model": "mlp-" + table["width"].astype(str) + "x" + table["depth"].astype(str),
        "needs_python": free.map(lambda each: yes_no(not each)),
        **{"controller": "processes", "dtype": "float32", "autograd": "inference", "environment": "here"},
        **{"device_kind": "cuda", "device_name": "a made-up GPU", "status": OK, "framework": "torch"},
    }
    return _as_analysed(table.assign(**numbers, **texts))


def _as_analysed(table: pd.DataFrame) -> pd.DataFrame:
    """With every column, of the types that a run's points have."""
    made = pd.DataFrame(index=table.index)
    for name in COLUMNS:
        own = table.get(name)
        if name in TEXT_COLUMNS:
            made[name] = (own if own is not None else pd.Series("", index=table.index)).astype(object)
        else:
            numbers = own if own is not None else pd.Series(np.nan, index=table.index)
            made[name] = numbers.astype("Int64" if name in INTEGER_COLUMNS else "float64")
    made["verdict"] = verdicts(made)
    return made


if __name__ == "__main__":
    sys.exit(main())
