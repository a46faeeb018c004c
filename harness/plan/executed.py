"""What of a configuration has code executed that the harness does not bring.

In: a Config. Out: keys and values, and how they are written. Must not know where the configuration came from.
"""

from __future__ import annotations

from collections.abc import Sequence

from harness.plan.config import Config


def executed(config: Config) -> dict[str, list[str]]:
    """What of a config has code executed that the harness does not bring: modules, options of srun."""
    return {"plugins": list(config.plugins), "launcher.srun_args": list(config.launcher.srun_args)}


def as_written(key: str, values: Sequence[str]) -> str:
    """A list as it is written on the command line, for Hydra: what is more than a word in quotes."""
    words = [
        value if value.replace("_", "").isalnum() else "'" + value.replace("'", r"\'") + "'"
        for value in values
    ]
    return f"{key}=[{','.join(words)}]"
