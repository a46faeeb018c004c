"""What the launcher and the ranks of one session share: the file they start from, and the messages they send.

In: cells and options. Out: a file and messages, and the same values on the other side. Must not know torch, nor how the
ranks are started.
"""
