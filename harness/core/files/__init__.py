"""Files of folders that may be anybody's.

In: a folder that the user has named. Out: bytes, plain data, and the list of what is ours. Must not know any stage.
"""
