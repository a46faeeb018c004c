"""From what was asked for to what is measured: configuration, points, cells, sessions.

In: what Hydra composed, and an Inventory. Out: a checked Config and a Plan. Must not know torch, nor how a session is
started.
"""
