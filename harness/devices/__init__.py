"""What a rank computes on, and every call to it that torch has no generic name for.

In: a device kind and an index. Out: a Device. Must not know modes, cells or records.
"""
