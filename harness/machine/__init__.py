"""What is there: devices, cores, versions, and what of it limits a measurement.

In: the operating system, and torch asked in a process of its own. Out: plain data. Must not know torch: it is asked in
another process, by probe.
"""
