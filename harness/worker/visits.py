"""One rank of a session, started by torchrun: `python run_module.py harness.worker.visits SESSION_FILE`.

In: a session file and torchrun's environment. Out: raw records of this rank. Must not know the sweep
around its session, nor what becomes of the records.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from harness.core.processes.ends_with_parent import tether_to_parent


def main(session_file: str) -> int:
    """Measure all cells of the session. Answers the process's exit status."""
    started_ns = time.monotonic_ns()
    tether_to_parent()  # before torch, whose import takes seconds in which the launcher may be killed

    import faulthandler
    import os
    import signal

    from harness.core.errors import HarnessError
    from harness.core.revision import revision
    from harness.session.progress import Sender
    from harness.session.spec import SessionSpec
    from harness.worker.named_rank import name_rank

    name_rank(int(os.environ["RANK"]))
    # The launcher asks a rank that makes no progress where it is.
    faulthandler.register(signal.SIGUSR1, all_threads=True)
    sender = Sender()
    sender.send("hello", rank=int(os.environ["RANK"]))
    spec = SessionSpec.load(Path(session_file))
    if spec.revision != revision():
        # A row must be of the sources that environment.json names.
        raise HarnessError(
            f"the sweep was started by another harness ({spec.revision}) than this rank's ({revision()}, in "
            f"{Path(__file__).parent}): its sources were changed since, or another copy was found"
        )
    return _measure(spec, sender, started_ns)


def _measure(spec, sender, started_ns: int) -> int:  # type: ignore[no-untyped-def]
    import gc
    import os
    import platform
    import warnings

    local_rank, local_ranks = int(os.environ["LOCAL_RANK"]), int(os.environ["LOCAL_WORLD_SIZE"])
    from harness.core.controllers import CONTROLLERS
    from harness.devices.device import open_device, pin_to_cores, usable_cores

    # Before torch makes any thread: threads inherit the affinity of the one that starts them.
    pinned = pin_to_cores(local_rank, local_ranks, spec.threads) if spec.affinity else None

    import psutil
    import torch

    from harness.modes import load_plugins
    from harness.records.raw import Writer
    from harness.timing.blocks import clock_cost_ns, time_block
    from harness.worker.cell import Bench, SessionBroken, measure_cells
    from harness.worker.issuers import open_lanes
    from harness.worker.ranks import Ranks

    torch.set_num_threads(spec.threads)
    torch.set_num_interop_threads(1)
    torch.manual_seed(spec.seed)
    # Said once in the README, not twice a cell in the log.
    warnings.filterwarnings("ignore", message=r"`torch\.jit\.\w+` is deprecated")
    load_plugins(spec.plugins)

    count = CONTROLLERS[spec.controller].devices_per_rank(spec.devices)
    devices = [open_device(spec.device_kind, local_rank * count + lane) for lane in reversed(range(count))][
        ::-1
    ]
    device = devices[0]  # the current one: it was opened last
    device.prepare_thread()
    lanes = open_lanes(spec.controller, devices)
    ranks = Ranks(spec.store, device.torch_device)
    writer = Writer(spec.raw / f"{spec.id}-rank{ranks.rank}.jsonl")
    clock_ns = clock_cost_ns()
    writer.write(
        "session",
        session=spec.id,
        rank=ranks.rank,
        ranks=ranks.world_size,
        host=platform.node(),
        # Of its own name where a cluster's names are not the machines'.
        node=os.environ.get("SLURMD_NODENAME", platform.node()),
        clock_offset_ns=ranks.clock_offset_ns(),
        pid=os.getpid(),
        device_kind=device.kind,
        device_name=device.name,
        torch=torch.__version__,
        python=platform.python_version(),
        gil=getattr(sys, "_is_gil_enabled", lambda: True)(),
        threads=spec.threads,
        pinned_cores=pinned,
        controller=spec.controller,
        devices=[each.identity() for each in devices],
        cores=usable_cores(),
        rel_width=spec.timing.rel_width,
        clock_cost_ns=clock_ns,
        empty_step_ns=time_block(_nothing, 100_000, device.wait).wall_ns / 100_000,
    )
    bench = Bench(ranks, lanes, writer, sender, spec.timing, spec.seed, spec.usage, clock_ns, spec.window_s)
    # What importing torch left behind is there to stay: no later collection needs to look at it again.
    gc.collect()
    gc.freeze()
    ranks.barrier()
    ready_ns = time.monotonic_ns()
    sender.send("ready", rank=ranks.rank)
    try:
        measure_cells(spec.cells, bench)
    except SessionBroken as error:
        print(f"rank {ranks.rank}: {error}", file=sys.stderr, flush=True)
        # At once: destroying the process group would wait for ranks that wait for this one.
        os._exit(1)
    closed_ns = time.monotonic_ns()
    writer.write(
        "closing",
        startup_s=(ready_ns - started_ns) / 1e9,
        wall_s=(closed_ns - ready_ns) / 1e9,
        busy_s=bench.busy_ns / 1e9,
        process_threads=psutil.Process().num_threads(),
    )
    writer.close()
    ranks.close()
    return 0


def _nothing() -> None:
    pass


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
