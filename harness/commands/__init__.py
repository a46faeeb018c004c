"""The command line: arguments, and nothing but arguments.

In: words. Out: an exit status. Must not know how anything is done.
"""
