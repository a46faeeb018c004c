"""Processes that this program starts of itself.

In: a module's name. Out: command lines and variables. Must not know any stage.
"""
