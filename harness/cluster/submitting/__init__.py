"""A sweep handed to SLURM from a login node: planned, checked, submitted.

In: words for sbatch and for a sweep. Out: jobs. Must not know what a job does.
"""
