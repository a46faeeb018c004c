"""The models that are swept: a file each, of torch.nn alone.

In: numbers of layers, widths, a batch. Out: a module, and what it is called with. Must not know modes, devices or
timing.

All but the MLP have the form that a user's own model has: `build` answers a module; `inputs`, given the samples of one
rank, what it is called with, and `targets` what its loss is taken against. conf/model/ names them, with a small and a
large setting of each.
"""
