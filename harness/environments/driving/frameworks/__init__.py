"""What each framework does when its driver is asked: a file a framework, of the name of its module.

In: tasks, numbers. Out: Steps. Must not know the protocol. Never imported as a package but by tests: driver.py loads a
file by its path, under a Python that knows nothing of this project.
"""
