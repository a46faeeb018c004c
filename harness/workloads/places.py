"""Where in memory the next build of a model lies.

In: a source of random numbers. Out: something to hold as long as the build. Must not know models or modes.

Times differ with the addresses of what is used (Mytkowicz et al., Producing Wrong Data, ASPLOS 2009). They cannot be
chosen, but they can be made to differ between builds, so that their part in the spread shows (Curtsinger and Berger,
Stabilizer, ASPLOS 2013). Code, and what a compiler or a package has laid out by itself, stays where it is.
"""

from __future__ import annotations

import random

import torch

# A page in cache lines, and as many small objects as shift the interpreter's own pools by some pages.
LINE, PAGE = 64, 4096
MOST_OBJECTS = 500


def moved(source: random.Random) -> list[object]:
    """Take memory of random size, so that what is allocated after it lies elsewhere than it would have."""
    bytes_taken = LINE * source.randrange(1, PAGE // LINE)
    objects: list[object] = [{"place": index} for index in range(source.randrange(MOST_OBJECTS))]
    return [torch.empty(bytes_taken, dtype=torch.uint8), *objects]
