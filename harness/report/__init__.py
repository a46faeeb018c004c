"""What is said of measurements: CSV, figures, findings, pages, the terminal.

In: analysed runs, predictions, traces. Out: files, and text. Must not know torch, nor how anything was measured.
"""
