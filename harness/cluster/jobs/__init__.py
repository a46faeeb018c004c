"""Jobs of SLURM: which one this is, what it holds, and when it is started again.

In: SLURM_JOB_ID, and what SLURM's commands say. Out: jobs, run directories of theirs. Must not know what is measured.
"""
