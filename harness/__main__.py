"""`python -m harness` is `harness`, and does not import from the current directory either."""

import os
import sys

# Python has put the current directory first on the path. What it holds is nobody's word, unless it is this checkout.
# pathlib would be imported from there; os and sys are loaded already.
HERE, ROOT = os.getcwd(), __file__.rsplit("/", 2)[0]  # noqa: PTH109
if sys.path[0] == HERE != ROOT and not getattr(sys.flags, "safe_path", False):
    del sys.path[0]

import signal  # noqa: E402


def main() -> int:
    """The command line of this process. Answers the exit status."""
    try:
        from harness.commands.cli import main as command_line

        return command_line()
    except KeyboardInterrupt:
        # Before the command line could say what a signal does.
        print("harness: ended by SIGINT", file=sys.stderr)
        return 128 + signal.SIGINT
    finally:
        # What Python still does is nothing to break off: a Ctrl-C ends it at once, and without a word.
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, signal.SIG_DFL)


if __name__ == "__main__":
    sys.exit(main())
