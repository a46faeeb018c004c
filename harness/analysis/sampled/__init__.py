"""What samplers wrote beside a run, joined to points and laid over time.

In: the files monitor/*.jsonl. Out: samples, what a point's devices did, sentences. Must not know torch or NVML.
"""
