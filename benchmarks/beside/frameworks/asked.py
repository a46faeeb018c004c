"""What the plain scripts share: their arguments, and a plain loop around a step.

A script builds the model as its users do, and hands its step to `serve`, which says "ready". Then, for each line of
standard input, "<untimed steps> <timed steps>", it prints the microseconds that a timed step took, until that ends.
Knows nothing of the harness, nor of any framework. Python 3.6 runs it too.
"""

import argparse
import sys
import time
from typing import Any, Callable

READY = "ready"


def options(modes: Any) -> Any:
    """modes: that the script has."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--mode", choices=list(modes), required=True)
    parser.add_argument("--sizes", type=int, nargs="+", required=True)
    parser.add_argument("--batch", type=int, required=True)
    return parser.parse_args()


def nothing() -> None:
    pass


def serve(step: Callable[[], Any], wait: Callable[[], Any] = nothing) -> None:
    """wait: returns when all that was asked for is computed, of a framework that answers before."""
    answers = sys.stdout
    sys.stdout = sys.stderr  # what a framework prints is no answer
    step()
    wait()
    print(READY, file=answers, flush=True)
    for line in sys.stdin:
        lead, steps = map(int, line.split())
        block(step, lead, wait)
        print(block(step, steps, wait) * 1e6, file=answers, flush=True)


def block(step: Callable[[], Any], steps: int, wait: Callable[[], Any]) -> float:
    """Seconds a step."""
    start = time.perf_counter()
    for _ in range(steps):
        step()
    wait()
    return (time.perf_counter() - start) / max(steps, 1)
