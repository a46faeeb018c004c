"""Intervals, how far sessions lie apart, and what a comparison shows.

In: plain numbers. Out: intervals and verdicts. Must not know torch, pandas or where the numbers come from.
"""
