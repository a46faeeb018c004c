"""One session's processes on this machine: started, heard, watched, ended.

In: a session. Out: messages, a log, and how it ended. Must not know what is measured, nor other machines.
"""
