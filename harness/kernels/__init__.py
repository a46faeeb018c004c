"""The kernels of a step, and how long a profile's device and links need for them.

In: a model's layer widths, a batch, a profile. Out: microseconds. Must not know fits, runs or torch.
"""
