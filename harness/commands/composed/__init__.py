"""Hydra's part of the command line: words to a checked Config, and every refusal in one line.

In: words after `harness sweep`. Out: a Config. Must not know what a sweep does, but for the one call that runs it.
"""
