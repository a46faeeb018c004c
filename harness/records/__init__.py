"""What stands on disk: the run directory, its files, and the lines in them.

In: plain dicts. Out: files that are only appended to, and records read from them. Must not know torch, nor what the
numbers mean.
"""
