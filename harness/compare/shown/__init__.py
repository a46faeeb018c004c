"""A comparison as texts, tables, a figure and a page.

In: a Comparison. Out: texts and bytes. Must not know how anything was compared, nor where texts go.
"""
