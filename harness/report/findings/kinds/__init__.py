"""A module for each kind of sentence; a kind imports no other kind.

In: slices of the tidy table. Out: claims. Must not know other kinds.
"""
