"""What one step does, and whether a mode does the same as eager.

In: a point and a device. Out: steps to call, and differences. Must not know timing, rounds or records.
"""
