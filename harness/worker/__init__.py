"""One rank of a session: it prepares the cells that it is given, measures them, and writes raw records.

In: a session's file and torchrun's environment. Out: raw records. Must not know the sweep around its session.
"""
