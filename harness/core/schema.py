"""The words shared by every stage: columns of points.csv, statuses, why the rounds of a cell ended.

In: nothing. Out: constants. Must not know torch, pandas or any stage.
"""

from __future__ import annotations

from harness.core import axes, warnings
from harness.core.stats.intervals import Interval

# What every other mode is compared with.
REFERENCE_MODE = "eager"

# How a framework comes to what it executes: operation by operation, from a graph that is written down first, or from
# one that is made of a program which would run by itself too.
IMPERATIVE, SYMBOLIC, HYBRID = "imperative", "symbolic", "hybrid"
STYLES = (IMPERATIVE, SYMBOLIC, HYBRID)
# The framework of the harness's own environment, and of all that was measured before there were others.
TORCH = "torch"
# Of its ladder; a plugin's mode says none.
STYLE_OF_TORCH = {
    REFERENCE_MODE: IMPERATIVE,
    "symbolic": SYMBOLIC,
    **dict.fromkeys(("script", "trace", "frozen", "compile", "compile_graphs", "cudagraph"), HYBRID),
    **dict.fromkeys(("aoti", "native"), HYBRID),
}

# Figures whose ends have names of their own.
_SHORT = {
    "throughput_samples_s": "throughput",
    "speedup_vs_eager": "speedup",
    "null_ratio": "null",
    "speedup_vs_here": "vs_here",
}


def ends(figure: str) -> tuple[str, str]:
    """The columns of both ends of a figure's interval."""
    stem = _SHORT.get(figure, figure)
    return f"{stem}_low", f"{stem}_high"


def with_ends(figure: str, interval: Interval) -> dict[str, float]:
    """A figure and its interval, by column."""
    low, high = ends(figure)
    return {figure: interval.estimate, low: interval.low, high: interval.high}


_OVER_SESSIONS = "over sessions the geometric mean of their medians over rounds"


def _figure(name: str, what: str, over: str = _OVER_SESSIONS) -> dict[str, str]:
    """A figure that has an interval: its column and those of both ends. over: what sessions make of it."""
    low, high = ends(name)
    return {
        name: f"{what}; {over}",
        low: f"lower end of the 95 % interval of {name}; empty where it was measured in one session",
        high: f"upper end of the 95 % interval of {name}",
    }


# One row per point. Units stand in the name. The order here is the order in the file.
COLUMNS: dict[str, str] = {
    "key": "hash of the point's axes; the same point has the same key in every run",
    "model": "of an MLP the layer widths from input to output, e.g. mlp-512-256-128-2 or mlp-64x16 (16 layers of 64); "
    "of any other its name and what of its arguments is swept",
    "model_args": "arguments that the model is made of, as JSON; empty for an MLP",
    "depth": "number of Linear layers of an MLP; empty for other models",
    "width": "width of an MLP's widest hidden layer; empty for other models",
    "batch": "samples per device under weak scaling, in all under strong scaling",
    "devices": "number of devices (on CPU: of ranks)",
    "nodes": "number of nodes the devices are spread over",
    "controller": "who issues the work: processes (one per device), threads (one per device), loop (one thread)",
    "workload": "forward or train",
    "dtype": "element type of parameters and activations",
    "autograd": "forward under grad, no_grad, inference or inference_model; train always records, and has the default",
    "environment": "the Python, framework and versions that execute the point: a name; `here` is the harness's own",
    "mode": "how the model is executed: eager, script, trace, ...",
    "framework": "the framework that the environment measures: torch, tensorflow, keras, jax, pytensor, mxnet, ...",
    "framework_version": "as it called itself; empty where no driver measured",
    "style": "imperative, symbolic or hybrid: how the mode comes to what it executes; empty where it does not say",
    "needs_python": "whether the interpreter issues each operation of a step: yes or no",
    "holds_lock": "whether a thread that issues a step holds the interpreter's lock meanwhile: yes or no",
    "device_kind": "cpu, cuda or emulated",
    "device_name": "what the device calls itself",
    "status": "ok, unsupported, failed, oom, timeout or mismatch",
    "warnings": "semicolon-separated set of warnings; empty when there is none",
    **_figure("step_us", "time of one step: per block the slowest rank's wall time / steps"),
    **_figure(
        "issue_us", "host time to issue one step without waiting for the device; empty on synchronous devices"
    ),
    **_figure("device_us", "time the device executes one step with the launch hidden; empty on CPU"),
    "device_us_model_low": "of an emulated device: 5th percentile of what the real one may take, by the held-out "
    "error of the profile's kernel times; empty on real devices",
    "device_us_model_high": "the same, 95th percentile",
    **_figure(
        "dispatch_share",
        "share of the step in which the device waits: 1 - device_us / step_us; on CPU what the cell's fastest mode "
        "without Python saves: of eager 1 - 1 / that mode's speedup_vs_eager",
        "1 less the geometric mean over sessions of what is left; on CPU below 0 where noise makes what is left the "
        "longer one",
    ),
    "feedable_devices": "device_us / issue_us: devices that one thread can keep busy",
    **_figure(
        "throughput_samples_s",
        "all samples of a block / (last rank's end - first rank's start): ranks that start apart count",
    ),
    **_figure("speedup_vs_eager", "eager's step time / this mode's in the same round"),
    **_figure(
        "speedup_vs_here",
        "step time of the same mode under environment `here` / this one's in the same round; empty for `here` itself",
    ),
    "verdict": "of the speed-up: faster, slower, same or undecided, beyond the larger of 1 % and the noise floor",
    **_figure(
        "null_ratio", "step time of eager / that of a second build of it in the same round: 1 but for noise"
    ),
    **_figure(
        "scaling_efficiency",
        "throughput / (devices x throughput of the same point on one device): ranks that start a block apart count, "
        "which step_us leaves out",
    ),
    "prepare_s": "time to build the mode from the model (compile, script, trace); slowest rank and build",
    "first_call_s": "time of the first call after that; slowest rank and build",
    "saved_as": "the form in which the mode was saved with its weights, or why it was not; empty where nobody asked",
    "saved_kib": "size of what was saved",
    "save_s": "time to save it",
    "load_s": "time to load it again in the same process and make one step",
    "tensor_peak_mib": "most bytes of tensors that were alive at a time within one step, beyond parameters, inputs and "
    "all else that was there before it; empty where that is not known",
    "process_peak_mib": "peak of all that the process held while the mode warmed up: of the device's memory what the "
    "cell took, on CPU the resident set, other modes and cells included",
    "util_mean_pct": "NVML's utilisation while the point was held steady, mean over devices; empty when not sampled",
    "sm_active_pct": "percentage of multiprocessors active there (GPM, Hopper and later); empty when not sampled",
    "power_mean_w": "mean power of one device there, in watts, mean over its devices; empty when not sampled",
    "energy_mj_per_sample": "energy of all its devices there / samples processed there; empty when not sampled",
    "host_cpu_share": "CPU time / wall time of a rank's process in timed blocks, mean over ranks",
    "main_thread_share": "CPU time / wall time of a rank's issuing threads in timed blocks; the least of ranks",
    "preemptions_s": "times a second that a rank's process lost its core in timed blocks; the most of ranks",
    "waits_s": "times a second that a rank's process gave its core up to wait in timed blocks; the most of ranks",
    "others_share": "share of the usable cores that other programs used while the cell's blocks ran",
    "threads": "intra-op threads that were set for each device",
    "cores": "cores that a rank may use",
    "gil": "whether the interpreter has a lock that lets one thread run at a time: yes or no",
    "launches": "launches of one step, counted in a CUDA graph of it; empty on CPU and where it cannot be captured",
    "replay_us": "device time of one step by the replay of that graph, against which device_us is checked",
    "rank_spread": "median over rounds of slowest device / fastest device - 1",
    "sessions": "sessions in which the point was measured, each of fresh processes",
    "builds": "models of this mode that were built and measured, over all sessions",
    "rounds": "rounds measured, over all builds",
    "steps": "timed steps per rank, over all rounds",
    "error": "why the status is not ok",
}

INTEGER_COLUMNS = (
    *axes.COUNTS,
    axes.NODES,
    "threads",
    "cores",
    "launches",
    "sessions",
    "builds",
    "rounds",
    "steps",
)
# Of these the columns of YES_NO answer a question.
YES, NO = "yes", "no"
YES_NO = ("needs_python", "holds_lock", "gil")
TEXT_COLUMNS = (
    *("key", axes.MODEL, axes.MODEL_ARGS, *axes.NAMES, "device_kind", "device_name", "status", "warnings"),
    *(*YES_NO, "framework", "framework_version", "style", "saved_as", "verdict", "error"),
)

OK, UNSUPPORTED, FAILED, OOM, TIMEOUT, MISMATCH = (
    "ok",
    "unsupported",
    "failed",
    "oom",
    "timeout",
    "mismatch",
)
STATUSES = (OK, UNSUPPORTED, FAILED, OOM, TIMEOUT, MISMATCH)

# A point with one of these needs no second try; `failed` and `timeout` are measured again on resume,
# since what was lost there (a killed rank, a busy machine) need not be lost twice.
FINAL_STATUSES = (OK, UNSUPPORTED, OOM, MISMATCH)

# Why the rounds of a cell ended in a session, as its `end` record says: all were measured, or as many as there was
# time for, or its session was ended before.
COMPLETE, CAPPED, UNFINISHED = "complete", warnings.CAPPED.name, "unfinished"


def yes_no(answer: object) -> str:
    """The text of a column of YES_NO; "" where there is no answer."""
    return YES if answer is True else NO if answer is False else ""
