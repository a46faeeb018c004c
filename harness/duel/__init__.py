"""Two environments against each other, in the same rounds: which is faster, by how much, and whether that is shown.

In: environments, cells. Out: ratios with intervals, verdicts. Must not know how a process of an environment measures.
"""
