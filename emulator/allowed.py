"""Which values a profile may have.

In: a Profile. Out: what is wrong with it. Must not know files or the harness.
"""

from __future__ import annotations

import re
from typing import Any

from emulator.profile import EMULATED, GROUPS, Profile, leaves
from emulator.times.errors import CLASSES
from emulator.times.kernels import ALL_KINDS
from emulator.times.products import ITEM_BYTES

# What the stand-ins have room for: MAX_DEVICES in src/node.h, MOST_PROTOCOLS in src/profile.h.
MOST_DEVICES, MOST_PROTOCOLS = 16, 4
# NVML's buffer for a device's name, with the byte that ends it (NVML_DEVICE_NAME_V2_BUFFER_SIZE).
LONGEST_NAME = 95
MOST_FLOP_S = 1e20

# Last part of a key -> the most that it may be: some powers of ten beyond any device, so that what the emulator reckons
# with stays a number, and no time is longer than anybody waits.
_ABOVE_0 = {
    **{"sms": 1e5, "sm_clock_mhz": 1e6, "memory_mib": 1e9, "memory_gb_s": 1e7, "shortest_kernel_us": 1e6},
    **{
        "host_copy_gb_s": 1e7,
        "link_gb_s": 1e7,
        "gb_s": 1e7,
        "utilization_window_ms": 6e4,
        "power_full_w": 1e6,
    },
    **{"share": 10.0, "memory_share": 10.0, "unaligned": 100.0, "low": 1e6},
}
_FROM_0 = {
    **dict.fromkeys(("launch_host_us", "launch_latency_us", "queued_gap_us", "graph_gap_us"), 1e6),
    **dict.fromkeys(
        ("split_us", "collective_floor_us", "power_idle_w", "floor_us", "base_us", "hop_us"), 1e6
    ),
    **dict.fromkeys(("step_us", "ramp_us", "root_us", "half"), 1e6),
    **{"jitter": 10.0, "jitter_seed": 2.0**31, "shapes": 1e9, "high": 1e6},
}
# Keys of the groups, and what they are for.
_MEMBERS = {
    "products": tuple(ITEM_BYTES),
    "kernels": ALL_KINDS,
    "errors": tuple(CLASSES),
    "flop_s": tuple(ITEM_BYTES),
}


def problems(profile: Profile) -> list[tuple[str, Any, str]]:
    """What is wrong with a profile: key, value, what is allowed."""
    if found := [*_of_another_type(profile), *_missing(profile)]:
        return found
    if not 1 <= profile.devices <= MOST_DEVICES:
        found.append(("devices", profile.devices, f"1 to {MOST_DEVICES}"))
    named = profile.name.startswith(EMULATED) and profile.name.isprintable()
    if not named or len(profile.name.encode()) > LONGEST_NAME:
        allowed = f"at most {LONGEST_NAME} bytes of printable characters that begin with '{EMULATED}'"
        found.append(("name", profile.name, allowed))
    if not re.fullmatch(r"\d{1,2}\.\d", profile.compute_capability):
        found.append(("compute_capability", profile.compute_capability, "two numbers such as '7.0'"))
    if not 1 <= len(profile.protocols) <= MOST_PROTOCOLS:
        found.append(("protocols", len(profile.protocols), f"1 to {MOST_PROTOCOLS} of them"))
    for key, value in leaves(profile):
        last = key.rpartition(".")[2]
        if key.startswith("flop_s."):
            if not 0 < value <= MOST_FLOP_S:
                found.append((key, value, f"a number above 0 and at most {MOST_FLOP_S:g}"))
        elif last in _ABOVE_0 and not 0 < value <= _ABOVE_0[last]:
            found.append((key, value, f"a number above 0 and at most {_ABOVE_0[last]:g}"))
        elif last in _FROM_0 and not 0 <= value <= _FROM_0[last]:
            found.append((key, value, f"a number of at least 0 and at most {_FROM_0[last]:g}"))
    return found


def _missing(profile: Profile) -> list[tuple[str, Any, str]]:
    found = []
    for key, members in _MEMBERS.items():
        given = getattr(profile, key)
        if not isinstance(given, dict):
            found.append((key, given, f"a value for each of {', '.join(members)}"))
            continue
        if (missing := set(members) - set(given)) and key != "errors":
            each = "one" if key in GROUPS else "a number above 0"
            found.append(
                (
                    key,
                    sorted(given),
                    f"{each} for each of {', '.join(members)} ({', '.join(sorted(missing))})",
                )
            )
        elif unknown := set(given) - set(members):
            found.append((key, sorted(unknown), f"only {', '.join(members)}"))
    return found


def _of_another_type(profile: Profile) -> list[tuple[str, Any, str]]:
    """Values that are not even numbers or text, as they come from a file: YAML reads 1e13 as text."""
    found: list[tuple[str, Any, str]] = []
    for key, kind in GROUPS.items():
        group = getattr(profile, key)
        if not isinstance(group, dict) or not all(isinstance(each, kind) for each in group.values()):
            found.append((key, group, f"for each name the values of {kind.__name__}"))
    for key, value in leaves(profile):
        if key in ("name", "compute_capability"):
            fits, allowed = isinstance(value, str), "text, in quotes"
        elif key in ("devices", "sms", "jitter_seed"):
            fits, allowed = isinstance(value, int) and not isinstance(value, bool), "a whole number"
        else:
            fits, allowed = (
                _is_number(value),
                "a number with a point, and a signed exponent if any, as 1.0e+13",
            )
        if not fits:
            found.append((key, value, allowed))
    return found


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
