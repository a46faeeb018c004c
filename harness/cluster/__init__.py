"""Sessions in a job of SLURM: what the job has, srun, the nodes, and who holds a run directory.

In: a session, and the job's environment. Out: as of launch. Must not know sweeps, nor what is measured.
"""
