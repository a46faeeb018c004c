"""A module for each kind of figure; a kind imports no other kind.

In: slices of the tidy table. Out: figures and captions. Must not know other kinds.
"""
