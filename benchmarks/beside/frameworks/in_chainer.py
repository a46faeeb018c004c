"""Chainer: a Sequential of links, called for inference as its manual has it."""

import warnings

warnings.simplefilter("ignore")

import chainer
import numpy as np

from benchmarks.beside.frameworks.asked import options, serve


def main() -> None:
    given = options(["eager"])
    layers = []
    for place, pair in enumerate(zip(given.sizes, given.sizes[1:])):
        layers += [chainer.functions.relu] if place else []
        layers.append(chainer.links.Linear(*pair))
    model = chainer.Sequential(*layers)
    x = np.random.default_rng(0).standard_normal((given.batch, given.sizes[0])).astype("float32")
    with chainer.no_backprop_mode(), chainer.using_config("train", False):
        serve(lambda: model(x))


main()
