"""How a diagnosis is shown: as text, data, a page and a figure, and which files it leaves.

In: what was measured and concluded. Out: text, HTML, JSON, PNG. Must not know how any of it was found.
"""
