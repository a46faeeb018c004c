"""Where the interpreter stops mattering: over depth and batch, with how far that is known.

In: a table of points, or costs and profiles. Out: a Crossover for each grid, its sentence, its data. Must not know
torch, figures or pages.
"""
