"""Whether modules can be imported without ending who imports them.

In: names of modules. Out: nothing, or ConfigError. Must not know what a plugin registers.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence

from harness.core.errors import ConfigError
from harness.core.processes.children import path_variables

_SURVIVED = "survived"
# What an import raises, this process meets when it imports the module itself; but for a KeyboardInterrupt, which there
# is somebody's. Ends without waiting for threads that a module has started.
_TRY = f"""
import importlib, os, signal, sys
sys.path += filter(None, [sys.argv.pop(1)])
signal.signal(signal.SIGINT, signal.SIG_IGN)
for name in sys.argv[1:]:
    try:
        importlib.import_module(name)
    except KeyboardInterrupt:
        os._exit(130)
    except BaseException:
        pass
sys.stdout.write("\\n{_SURVIVED}")
sys.stdout.flush()
os._exit(0)
"""
_TIMEOUT_S = 300


def check_plugins(modules: Sequence[str]) -> None:
    """Import them in a process of its own first: one that calls os._exit, or crashes, would take the sweep with it
    without a word. Raises ConfigError."""
    if modules:
        check_imports("plugins", modules)


def check_imports(key: str, modules: Sequence[str], also: str = "") -> None:
    """The same for modules that are named at some key. also: a folder to look in last."""
    try:
        tried = subprocess.run(
            [sys.executable, "-c", _TRY, also, *modules],
            env={**os.environ, **path_variables()},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=_TIMEOUT_S,
        )
    except subprocess.TimeoutExpired:
        raise ConfigError(key, _named(modules), f"modules that are imported within {_TIMEOUT_S} s") from None
    if not tried.stdout.endswith(_SURVIVED):
        how = f"signal {-tried.returncode}" if tried.returncode < 0 else f"exit status {tried.returncode}"
        allowed = f"importable Python modules; importing them ended the process ({how})"
        raise ConfigError(key, _named(modules), allowed)


def _named(modules: Sequence[str]) -> str:
    return f"[{','.join(modules)}]"
