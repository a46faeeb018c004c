"""Figures as a page shows them: several of a kind in one place, light or dark as the page is.

In: drawn figures. Out: groups, and images to stand in a page. Must not know how figures are drawn.
"""
