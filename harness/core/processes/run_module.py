"""Run a module as a program, without what the current directory holds: `python run_module.py MODULE ARGUMENTS...`.

In: a module's name and its arguments. Out: as of `python -m MODULE`, run by the very harness that this file is part of.
Must not import anything before the path is mended; nor know who calls it (harness.core.processes.children does).

`python -c`, `python -m` and so torchrun's children put the current directory first on the path: a random.py there would
be run instead of Python's, and in another checkout that one's harness. `python -P` came with Python 3.11 only.
"""

import sys

if __name__ == "__main__":
    # Python has put this file's own folder first, unless PYTHONSAFEPATH told it not to.
    if not getattr(sys.flags, "safe_path", False):
        del sys.path[0]
    ROOT = __file__.rsplit("/", 4)[0]
    # An editable installation leaves a relative entry, which torch looks for libraries in: below where one stands.
    sys.path[:] = [entry for entry in sys.path if entry.startswith("/")]
    # First for these packages alone: what stands beside them, in site-packages say, must not hide Python's own.
    sys.path.insert(0, ROOT)
    import emulator  # noqa: F401
    import ground  # noqa: F401
    import harness  # noqa: F401

    del sys.path[0]
    if ROOT not in sys.path:
        sys.path.append(ROOT)

    import runpy

    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
