"""What bounds one step of somebody's own model, and what would remove it: predicted first, then measured.

In: a step, a module with its inputs, or their names. Out: a Diagnosis. Must not know sweeps or run directories.
"""
