"""Profiler traces of jobs that ran elsewhere: where a device was idle, and what it was waiting for.

In: files of torch.profiler (Kineto's Chrome traces). Out: idle time by cause, as tables. Must not know torch, nor any
run directory.
"""
