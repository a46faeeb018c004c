"""What stands beside the harness in benchmarks.fidelity: Timer within its ranks, a plain script in fresh processes."""
