"""What may stand at each key of a configuration, each stated once, with the reason.

In: keys and values. Out: nothing, or ConfigError. Must not know the machine, nor what a value leads to.
"""
