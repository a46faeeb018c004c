"""How many launches a layer is, for estimates: where they were not counted.

In: nothing. Out: launches of each Linear layer, by workload. Must not know devices or costs: what a device's time is
made of, kernel by kernel, is the cost model's, and a test holds the two together.
"""

from __future__ import annotations

# A matrix product with its bias, an activation. Under `train` besides: backward by input and by weight, the sum over
# the batch, the activation's backward, and copies of gradients into buckets and out of them.
USUAL = {"forward": 2, "train": 10}
# With split-K reductions or casts, and an optimizer that is not fused.
AT_MOST = {"forward": 3, "train": 12}
