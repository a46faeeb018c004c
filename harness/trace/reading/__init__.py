"""Trace files into columns.

In: files of torch.profiler. Out: a Trace. Must not know gaps.
"""
