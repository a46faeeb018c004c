"""What figures are drawn with: a panel, axes and ticks, curves, bars, maps.

In: numbers and words. Out: figures of matplotlib. Must not know what is measured.
"""
