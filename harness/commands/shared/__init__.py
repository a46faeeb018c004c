"""What several commands have in common: how arguments are refused, what a terminal shows, work on a device.

In: arguments, words. Out: what they name. Must not know any command.
"""
