"""Prints much, in the middle of whatever is done, as some frameworks do: at every collection of garbage."""

import gc
import os


def chatter(*_):
    for stream in (1, 2):
        os.write(stream, b"chatter " * 10_000)


gc.callbacks.append(chatter)
