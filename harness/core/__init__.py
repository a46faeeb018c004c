"""The ground: what every room stands on, and what knows no room.

In: nothing. Out: words, numbers, errors, files, processes. Must not know any stage.
"""
