"""Passports made up, with known costs."""

from __future__ import annotations

from typing import Any

from harness.passport.document import Cost, Passport


def made_passport(*, factor: float = 1, **changes: Any) -> Passport:
    """factor: of its costs, and one over that of its rates."""

    def about(value: float) -> Cost:
        return Cost(value, 0.999 * value, 1.001 * value)

    found: dict[str, Any] = {
        "machine": {"host": "made", "cpu": "made up", "cores": 2, "governor": None, "device": "made up"},
        "costs": {"python_call": about(20 * factor), "operator": about(800 * factor)},
        "rates": {"memory_gb_s": about(20 / factor)},
        "noise_floor": 0.005,
        "load": 0.0,
        "missing": {},
        "made": "2026-01-01T00:00:00+00:00",
    }
    return Passport(**{**found, **changes})
