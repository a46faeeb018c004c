"""One rank of a session, from the time on at which it loads torch to its last record.

In: an Arrival. Out: this rank's raw records, and its exit status. Must not know the sweep around its session, nor
what becomes of the records.
"""

from __future__ import annotations

import gc
import os
import platform
import sys
import time
import warnings
from typing import Any

import psutil
import torch

from harness.core.controllers import CONTROLLERS
from harness.core.cpu import usable_cores
from harness.devices.device import Device
from harness.devices.opening import open_device
from harness.modes import load_plugins
from harness.plan.lookup import search_also
from harness.records.lines import Writer
from harness.records.naming import rank_file
from harness.session.spec import SessionSpec
from harness.timing.blocks import time_block
from harness.timing.clock import clock_cost_ns
from harness.worker.arrival import Arrival
from harness.worker.cells.agreement import SessionBroken
from harness.worker.cells.bench import Bench
from harness.worker.drivers import Drivers
from harness.worker.issuers import open_issuers
from harness.worker.issuing_cores import issuing_cores
from harness.worker.ranks import Ranks
from harness.worker.reference import AT_START
from harness.worker.visits import measure_cells

# Enough of them that what a block costs beside its steps is nothing to a step.
EMPTY_STEPS = 100_000


def measure_session(arrival: Arrival) -> int:
    """Measure all cells of the session. Answers the process's exit status.

    Raises ConfigError for a plugin that cannot be imported, and OSError if a record cannot be written.
    """
    spec, sender = arrival.spec, arrival.sender
    _settle_torch(spec)
    load_plugins(spec.plugins)
    for folder in spec.search:
        search_also(folder)
    issuers = open_issuers(spec.controller, _open_devices(spec, arrival.local_rank))
    ranks = Ranks(spec.store, issuers.devices[0].torch_device)
    # Not before the threads of gloo and of drivers are there: they would inherit it, and an all-reduce wait for the
    # core of the thread that waits for the all-reduce.
    if arrival.own_cores is not None:
        issuers.pin(arrival.own_cores, spec.threads)
    writer = Writer(spec.raw / rank_file(spec.id, ranks.rank))
    bench = Bench(
        ranks,
        issuers,
        writer,
        sender,
        spec.timing,
        spec.seed,
        spec.usage,
        ranks.most(clock_cost_ns()),
        memory=spec.memory,
        serialise=spec.serialise,
        window_s=spec.window_s,
        session=f"{spec.id}:{spec.draw}",
        nulls=frozenset(spec.nulls),
        drivers=_drivers(arrival, writer),
    )
    # What importing torch left behind is there to stay: no later collection needs to look at it again.
    gc.collect()
    gc.freeze()
    bench.reference.time(AT_START)
    writer.write("session", **_session_fields(arrival, bench), reference_ns=bench.reference.ns)
    ranks.barrier()
    ready_ns = time.monotonic_ns()
    sender.send("ready", rank=ranks.rank)
    try:
        measure_cells(spec.cells, bench)
    except SessionBroken as error:
        print(f"rank {ranks.rank}: {error}", file=sys.stderr, flush=True)
        # At once: destroying the process group would wait for ranks that wait for this one.
        os._exit(1)
    if bench.drivers is not None:
        bench.drivers.close()
    closed_ns = time.monotonic_ns()
    writer.write(
        "closing",
        startup_s=(ready_ns - arrival.started_ns) / 1e9,
        wall_s=(closed_ns - ready_ns) / 1e9,
        busy_s=bench.busy_ns / 1e9,
        issuing_cores=issuing_cores(issuers),
        process_threads=psutil.Process().num_threads(),
        reference_ns=bench.reference.ns,
    )
    writer.close()
    ranks.close()
    return 0


def _drivers(arrival: Arrival, writer: Writer) -> Drivers | None:
    """None where this rank measures all by itself."""
    spec, sender = arrival.spec, arrival.sender
    if not spec.environments:
        return None
    return Drivers(
        spec.environments,
        threads=spec.threads,
        cores=arrival.own_cores,
        timeout_s=spec.timeout_s,
        # The launcher waits no longer for a rank than a rank for a driver.
        while_waiting=lambda: sender.send("progress"),
        told=lambda name, facts: writer.write("environment", environment=name, facts=dict(facts)),
    )


def _settle_torch(spec: SessionSpec) -> None:
    torch.set_num_threads(spec.threads)
    torch.set_num_interop_threads(1)
    torch.manual_seed(spec.seed)
    # Said once in the README, not twice a cell in the log.
    warnings.filterwarnings("ignore", message=r"`torch\.jit\.\w+` is deprecated")


def _open_devices(spec: SessionSpec, local_rank: int) -> list[Device]:
    """This rank's devices. The first of them is the current one, so it is opened last."""
    count = CONTROLLERS[spec.controller].devices_per_rank(spec.devices)
    opened = [open_device(spec.device_kind, local_rank * count + index) for index in reversed(range(count))]
    devices = opened[::-1]
    devices[0].prepare_thread()
    return devices


def _session_fields(arrival: Arrival, bench: Bench) -> dict[str, Any]:
    """What a rank writes down of itself and of where it runs."""
    spec, ranks, device = arrival.spec, bench.ranks, bench.device
    return {
        "session": spec.id,
        "rank": ranks.rank,
        "ranks": ranks.world_size,
        "host": platform.node(),
        # Of its own name where a cluster's names are not the machines'.
        "node": os.environ.get("SLURMD_NODENAME", platform.node()),
        "clock_offset_ns": ranks.clock_offset_ns(),
        "pid": os.getpid(),
        "device_kind": device.kind,
        "device_name": device.name,
        "torch": torch.__version__,
        "revision": spec.revision,
        "source": spec.source,
        "python": platform.python_version(),
        "gil": getattr(sys, "_is_gil_enabled", lambda: True)(),
        "threads": spec.threads,
        "pinned_cores": arrival.own_cores,
        "issuing_cores": issuing_cores(bench.issuers),
        "controller": spec.controller,
        "devices": [each.identity() for each in bench.issuers.devices],
        "cores": usable_cores(),
        "rel_width": spec.timing.rel_width,
        "rel_width_step": spec.timing.rel_width_step,
        "clock_cost_ns": bench.clock_cost_ns,
        "empty_step_ns": time_block(_nothing, EMPTY_STEPS, device.wait).wall_ns / EMPTY_STEPS,
    }


def _nothing() -> None:
    pass
