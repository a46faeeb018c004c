"""What runs under another Python, all by itself: prepares models, times blocks of their steps, and sleeps in between.

In: requests, a line of JSON each, on a pipe of its own. Out: an answer to each on another one. Must not know anything
of this project, nor import anything but Python's own modules; what a framework does stands in a file of its name
(frameworks/), which imports that too. All of them are files that Python 3.6 to 3.14 run.
"""

import sys

if __name__ == "__main__" and not getattr(sys.flags, "safe_path", False):
    del sys.path[0]  # this file's own folder, whose names are not the framework's business

import array
import gc
import importlib.util
import itertools
import json
import os
import platform
import random
import re
import resource
import time
from typing import Any, Callable, Dict, Iterator, List, Optional, Sequence, Tuple

# By this name the frameworks' files import what is written here, also where nothing of this project can be imported.
OWN_NAME = "harness.environments.driving.driver"
sys.modules.setdefault(OWN_NAME, sys.modules[__name__])
FRAMEWORKS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "frameworks")

# Evenly spaced numbers of a tensor, as many at most, stand for it where outcomes are compared.
MOST_NUMBERS = 1024
LEARNING_RATE = 1e-4
FAILED, UNSUPPORTED, OOM = "failed", "unsupported", "oom"
_OOM_MESSAGES = re.compile(r"can't allocate memory|not enough memory|out of memory|bad_alloc", re.IGNORECASE)
LONGEST_REASON = 300
# Python 3.6 has no monotonic_ns; a day in seconds, as a double, is exact to 0.02 ns.
_SECONDS = time.monotonic
clock = getattr(time, "monotonic_ns", lambda: int(_SECONDS() * 1e9))


Call = Callable[[], Any]
Outcome = List[List[float]]
Task = Dict[str, Any]
Numbers = Any  # an array.array, which Python 3.6 knows as no generic
# Saves a program with its weights into an empty folder, and answers what loads it again and gives its Outcome.
Saved = Callable[[str], Callable[[], Outcome]]


class Unsupported(Exception):
    """What this environment cannot do at all; the message is the reason."""


def thread_time_ns() -> int:
    return int(time.clock_gettime(time.CLOCK_THREAD_CPUTIME_ID) * 1e9)


def nothing() -> None:
    pass


class Step:
    """A mode that is ready. call: makes one step; wait: returns when the device is done; context: what it is called in,
    made anew each time; outcome: makes one step, and answers lists of numbers. saved: where the framework can save what
    the mode made; saved_as: by what call, in words."""

    def __init__(
        self,
        call: Call,
        wait: Call,
        context: Call,
        outcome: Callable[[], Outcome],
        saved: Optional[Saved] = None,
        saved_as: str = "",
    ) -> None:
        self.call = call
        self.wait = wait
        self.context = context
        self.outcome = outcome
        self.saved = saved
        self.saved_as = saved_as


class Nowhere:
    """A context that changes nothing (contextlib.nullcontext came with 3.7)."""

    def __enter__(self) -> "Nowhere":
        return self

    def __exit__(self, *_: Any) -> None:
        return None


def evenly(length: int) -> int:
    """Distance between the numbers that stand for so many."""
    return max(1, -(-length // MOST_NUMBERS))


def apart(flat: Any, sizes: Sequence[int], batch: int) -> Tuple[List[Tuple[Any, Any]], Any, Any]:
    """Of a task's numbers, as an array that is cut and reshaped: each layer's weight (outputs, inputs) and bias,
    then the inputs (batch, sizes[0]), then the labels (batch,), still as floating-point numbers."""
    shapes = []  # type: List[Tuple[int, ...]]
    for fan_in, fan_out in zip(sizes, sizes[1:]):
        shapes += [(fan_out, fan_in), (fan_out,)]
    parts = list(_cut(flat, shapes + [(batch, sizes[0]), (batch,)]))
    return list(zip(parts[:-2:2], parts[1:-2:2])), parts[-2], parts[-1]


def _cut(flat: Any, shapes: Sequence[Tuple[int, ...]]) -> Iterator[Any]:
    at = 0
    for shape in shapes:
        count = 1
        for size in shape:
            count *= size
        yield flat[at : at + count].reshape(shape)
        at += count


def sampled(array: Any) -> List[float]:
    """The numbers that stand for those of an array of numpy."""
    flat = array.reshape(-1)
    return flat[:: evenly(len(flat))].astype("float64").tolist()  # type: ignore[no-any-return]


def check_no_recording(task: Task, framework: str) -> None:
    """Raises Unsupported for a forward pass that autograd shall record, of one that records nothing by itself."""
    if task["workload"] == "forward" and task["autograd"] == "grad":
        why = "%s records nothing for a backward pass unless it is told to: autograd=grad is torch's"
        raise Unsupported(why % framework)


def framework_of(name: str) -> Any:
    """The class in the file of that name. Raises Unsupported where there is none."""
    path = os.path.join(FRAMEWORKS, name + ".py")
    if not name.isidentifier() or name.startswith("_") or not os.path.isfile(path):
        raise Unsupported("no framework that is measured: %s" % name)
    spec = importlib.util.spec_from_file_location(
        "%s.frameworks.%s" % (OWN_NAME.rpartition(".")[0], name), path
    )
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # Some compilers look a function's module up by its name.
    sys.modules[module.__name__] = module
    spec.loader.exec_module(module)
    return module.Framework  # type: ignore[attr-defined]


def size_of(folder: str) -> int:
    """Bytes of all files in it."""
    return sum(
        os.path.getsize(os.path.join(path, name)) for path, _, files in os.walk(folder) for name in files
    )


def first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0][:LONGEST_REASON] if lines else type(error).__name__


def numbers_in(path: str, dtype: str) -> Numbers:
    """All numbers of a file: little-endian, of 8 bytes where that is the point's own dtype, else of 4."""
    numbers = array.array("d" if dtype == "float64" else "f")
    with open(path, "rb") as file:
        numbers.frombytes(file.read())
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers


def libc() -> str:
    """Of this system; platform.libc_ver looks into the interpreter's file, and finds what that was built for."""
    try:
        return os.confstr("CS_GNU_LIBC_VERSION") or ""
    except (AttributeError, OSError, ValueError):
        return ""


class Session:
    """What one process holds. steps: slot -> what was prepared in it."""

    def __init__(self) -> None:
        self.framework = None  # type: Any
        self.steps = {}  # type: Dict[int, Step]
        self.held = []  # type: List[Any]

    def start(self, framework: str, threads: int) -> Dict[str, Any]:
        self.framework = framework_of(framework)(threads)
        gc.collect()
        if hasattr(gc, "freeze"):
            gc.freeze()  # what importing left behind is there to stay: no collection needs to look at it again
        found = {
            "python": platform.python_version(),
            "implementation": platform.python_implementation(),
            "built_by": platform.python_compiler(),
            "build": " ".join(platform.python_build()),
            "executable": sys.executable,
            "machine": platform.machine(),
            "libc": libc(),
            "gil": "yes" if getattr(sys, "_is_gil_enabled", lambda: True)() else "no",
        }
        if hasattr(os, "sched_getaffinity"):
            found["cores"] = " ".join(map(str, sorted(os.sched_getaffinity(0))))
        found.update(self.framework.facts())
        return {"facts": found}

    def prepare(self, slot: int, task: Task, numbers: str) -> Dict[str, Any]:
        self.steps.pop(slot, None)
        gc.collect()
        given = numbers_in(numbers, task["dtype"])
        random.seed()
        # In places of its own: what comes next lies elsewhere than it would have.
        self.held.append(bytearray(64 * random.randrange(1, 64)))
        self.held.append([[place] for place in range(random.randrange(500))])
        begun = clock()
        step = self.framework.prepared(task, given)
        step.wait()
        built = clock()
        del given
        with step.context():
            outcome = step.outcome()
            step.wait()
        called = clock()
        self.steps[slot] = step
        return {
            "outcome": outcome,
            "prepare_s": (built - begun) / 1e9,
            "first_call_s": (called - built) / 1e9,
            "peak_kib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
        }

    def forget(self, slot: int) -> Dict[str, Any]:
        self.steps.pop(slot, None)
        gc.collect()
        return {}

    def serialise(self, slot: int, folder: str) -> Dict[str, Any]:
        """Save what is prepared there into an empty folder, load that again, and make one step of what was loaded."""
        step = self.steps[slot]
        if step.saved is None:
            raise Unsupported("this mode makes nothing that could be saved as a program")
        with step.context():
            begun = clock()
            load = step.saved(folder)
            saved = clock()
            size = size_of(folder)
            loading = clock()
            outcome = load()
            loaded = clock()
        return {
            "format": step.saved_as,
            "bytes": size,
            "save_s": (saved - begun) / 1e9,
            "load_s": (loaded - loading) / 1e9,
            "outcome": outcome,
        }

    def block(self, slot: int, steps: int, lead: int) -> Dict[str, Any]:
        """So many untimed steps, and so many that are timed as one. The result of each is dropped at once."""
        step = self.steps[slot]
        call, wait = step.call, step.wait
        with step.context():
            for _ in itertools.repeat(None, lead):
                call()
            wait()
            collecting = gc.isenabled()
            gc.disable()
            try:
                before = usage()
                calls = itertools.repeat(None, steps)
                start = clock()
                for _ in calls:
                    call()
                wait()
                end = clock()
                after = usage()
            finally:
                if collecting:
                    gc.enable()
        return {"start_ns": start, "end_ns": end, "usage": [b - a for a, b in zip(before, after)]}


def usage() -> Tuple[int, int, int, int]:
    """CPU time of the process and of this thread, and how often it gave its core up and lost it."""
    process = resource.getrusage(resource.RUSAGE_SELF)
    cpu_ns = round((process.ru_utime + process.ru_stime) * 1e9)
    return cpu_ns, thread_time_ns(), process.ru_nvcsw, process.ru_nivcsw


def answered(session: Session, line: bytes) -> Any:
    """What is said to a request, whatever becomes of it."""
    try:
        request = json.loads(line.decode("utf-8"))
        return getattr(session, request.pop("do"))(**request)
    except Unsupported as error:
        return {"status": UNSUPPORTED, "error": str(error)}
    except Exception as error:  # a framework may raise anything
        said = "%s: %s" % (type(error).__name__, first_line(error))
        out_of_memory = isinstance(error, MemoryError) or _OOM_MESSAGES.search(str(error))
        return {"status": OOM if out_of_memory else FAILED, "error": said}


def main(requests_fd: int, answers_fd: int) -> None:
    for each in (requests_fd, answers_fd):
        os.set_inheritable(each, False)  # what a framework starts must not hold the pipes open
    session = Session()
    with os.fdopen(requests_fd, "rb") as requests, os.fdopen(answers_fd, "wb") as answers:
        for line in iter(requests.readline, b""):  # asleep in here for as long as nobody asks
            answers.write(json.dumps(answered(session, line)).encode("ascii") + b"\n")
            answers.flush()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
