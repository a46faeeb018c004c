"""Points over all runs of a folder: how their times went, where they changed, and what was another version then.

In: run directories. Out: lines over time, changes. Must not know how anything is measured.
"""
