"""What a page's script is given: the points, the library that draws them, and leave to run.

In: a tidy table. Out: texts for a page. Must not know figures, nor what stands around them.
"""
