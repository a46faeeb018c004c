"""One rank of a session, started by torchrun: `python -m harness.worker SESSION_FILE`.

In: a session file and torchrun's environment. Out: raw records of this rank. Must not know the sweep
around its session, nor what becomes of the records.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from harness.tether import tether_to_parent


def main(session_file: str) -> int:
    """Measure all cells of the session. Answers the process's exit status."""
    started_ns = time.monotonic_ns()
    tether_to_parent()  # before torch, whose import takes seconds in which the launcher may be killed

    import faulthandler
    import os
    import signal

    from harness.progress import Sender
    from harness.session import SessionSpec

    # The launcher asks a rank that makes no progress where it is.
    faulthandler.register(signal.SIGUSR1, all_threads=True)
    sender = Sender()
    sender.send("hello", rank=int(os.environ["RANK"]), pid=os.getpid())
    return _measure(SessionSpec.load(Path(session_file)), sender, started_ns)


def _measure(spec, sender, started_ns: int) -> int:  # type: ignore[no-untyped-def]
    import gc
    import os
    import platform
    import warnings

    local_rank, local_ranks = int(os.environ["LOCAL_RANK"]), int(os.environ["LOCAL_WORLD_SIZE"])
    from harness.device import open_device, pin_to_cores

    # Before torch makes any thread: threads inherit the affinity of the one that starts them.
    pinned = pin_to_cores(local_rank, local_ranks, spec.threads) if spec.affinity else None

    import torch

    from harness.measure import Bench, SessionBroken, measure_cells
    from harness.modes import load_plugins
    from harness.ranks import Ranks
    from harness.records import Writer
    from harness.timing import clock_cost_ns, time_block

    torch.set_num_threads(spec.threads)
    torch.set_num_interop_threads(1)
    torch.set_flush_denormal(True)  # a denormal number slows a CPU kernel many times; see build_model
    torch.manual_seed(spec.seed)
    # Said once in the README, not twice a cell in the log.
    warnings.filterwarnings("ignore", message=r"`torch\.jit\.\w+` is deprecated")
    load_plugins(spec.plugins)

    device = open_device(spec.device_kind, local_rank)
    ranks = Ranks(spec.store, device.torch_device)
    writer = Writer(spec.raw / f"{spec.id}-rank{ranks.rank}.jsonl")
    clock_ns = clock_cost_ns()
    writer.write(
        "session",
        session=spec.id,
        rank=ranks.rank,
        ranks=ranks.world_size,
        host=platform.node(),
        pid=os.getpid(),
        device_kind=device.kind,
        device_name=device.name,
        torch=torch.__version__,
        python=platform.python_version(),
        gil=getattr(sys, "_is_gil_enabled", lambda: True)(),
        threads=spec.threads,
        pinned_cores=pinned,
        rel_width=spec.timing.rel_width,
        clock_cost_ns=clock_ns,
        empty_step_ns=time_block(_nothing, 100_000, device.wait).wall_ns / 100_000,
    )
    bench = Bench(ranks, device, writer, sender, spec.timing, spec.seed, spec.usage, clock_ns)
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
    )
    writer.close()
    ranks.close()
    return 0


def _nothing() -> None:
    pass


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
