"""One table that all of the report reads, and what is computed from its rows.

In: runs. Out: a tidy table, slices of it, numbers as text. Must not know figures, sentences or pages.
"""
