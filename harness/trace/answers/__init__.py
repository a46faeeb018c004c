"""What is said of traces: rows, sentences, timelines.

In: ranks that were looked at. Out: rows, text, values over time. Must not know files.
"""
