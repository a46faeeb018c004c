"""An emulated CUDA node: stand-ins for the libraries that a CUDA build of PyTorch calls.

Host work is real, device work is put on a modelled timeline; docs/emulator.md says what to conclude from it.
Knows nothing of the harness, which only sets its workers' environment (harness/core/emulated.py).
"""
