"""What ranks wrote, read once from one end to the other: measured cells, and the rounds of each point over its ranks.

In: raw files. Out: a Collected. Must not know the plan, nor what becomes of the numbers.
"""
