"""What is sampled beside a sweep, by a process of its own on each node: devices through NVML, and the host.

In: where the samples go, how often, and whose descendants the ranks are. Out: monitor/node-<k>.jsonl, one line
a sample, on the clock of the workers' blocks. Must not know torch, points or what the samples are used for.
"""

from harness.monitor.process import Sampler, start

__all__ = ["Sampler", "start"]
