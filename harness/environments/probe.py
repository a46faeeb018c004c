"""What a Python is, and whether it has the framework: run as a program by the Python that is asked.

In: arguments, the framework's name and `import` or `find`. Out: a line of JSON on standard output, after a mark. Must
not import anything before the path is mended; must not know who asks. Written for every Python from 2.7 on, which at
least says what it is: no functions, since their annotations are not theirs all.
"""
# ruff: noqa: UP031, UP036

import sys

if __name__ == "__main__":
    # Python has put this file's own folder first, unless PYTHONSAFEPATH told it not to.
    if not getattr(sys.flags, "safe_path", False):
        del sys.path[0]
    # Nothing of where it stands; from a zip file or a folder, an absolute path leads there.
    sys.path[:] = [entry for entry in sys.path if entry.startswith("/")]

    import json
    import platform
    import sysconfig

    facts = {
        "python": platform.python_version(),
        "implementation": platform.python_implementation(),
        "platform": sysconfig.get_platform(),
        "free_threaded": bool(sysconfig.get_config_var("Py_GIL_DISABLED")),
        "base": getattr(sys, "_base_executable", None) or sys.executable or "",
        "found": False,
        "version": "",
        "build": "",
        "error": "",
    }
    name, how = sys.argv[1:3]
    if sys.version_info >= (3, 6):
        import importlib
        import importlib.util

        try:
            facts["found"] = importlib.util.find_spec(name) is not None
        except (ImportError, ValueError):  # of a module that is there but says nothing of how: __main__, say
            facts["found"] = name in sys.modules
        if how == "import" and facts["found"]:
            try:
                module = importlib.import_module(name)
                facts["version"] = str(getattr(module, "__version__", ""))
                # torch's own: which devices it is built for.
                version = getattr(module, "version", None)
                cuda, hip = getattr(version, "cuda", None), getattr(version, "hip", None)
                if hip:
                    facts["build"] = "ROCm " + str(hip)
                elif cuda:
                    facts["build"] = "CUDA " + str(cuda)
                elif hasattr(version, "cuda"):
                    facts["build"] = "CPU"
            except BaseException as error:
                lines = str(error).splitlines() or [""]
                facts["error"] = "%s: %s" % (type(error).__name__, lines[0][:500])
    sys.stdout.write("\n@@harness-facts " + json.dumps(facts) + "\n")
    sys.stdout.flush()
    # Without waiting for threads that the framework has started.
    import os

    os._exit(0)
