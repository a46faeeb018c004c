"""Environments: the Python, framework and versions that execute a point; made, looked for, and asked what they are.

In: descriptions (conf/environment/, or a mapping). Out: interpreters that can be started. Must not know points, sweeps,
nor what is measured in one.
"""
