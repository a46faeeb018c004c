"""What torch is and sees, asked in a process of its own: the launcher stays free of torch and of any device.

In: nothing. Out: one line of JSON on standard output. Must not know what is made of it (harness.machine.environment).
"""

from __future__ import annotations

import json
from typing import Any


def probe() -> dict[str, Any]:
    """What torch is; `error` where it cannot be imported, `device_error` where it cannot say what it sees."""
    try:
        import torch
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}"}
    from harness.core.cpu import cpu_name

    found: dict[str, Any] = {
        "torch": torch.__version__,
        "built_for_cuda": torch.version.cuda,
        "cpu_name": cpu_name(),
        "mkl": torch.backends.mkl.is_available(),  # type: ignore[no-untyped-call]
        "devices": [],
        "distributed": torch.distributed.is_available(),
    }
    try:
        for index in range(torch.cuda.device_count()):
            about = torch.cuda.get_device_properties(index)
            found["devices"].append(
                {
                    "name": about.name,
                    "memory_mib": about.total_memory // 2**20,
                    "capability": f"{about.major}.{about.minor}",
                }
            )
    except Exception as error:
        found["device_error"] = f"{type(error).__name__}: {error}"
    return found


if __name__ == "__main__":
    print(json.dumps(probe()))
