"""TensorFlow 2: a tf.Module of its own operations, called as it is, as a graph, and compiled by XLA."""

import os

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "2"
os.environ["CUDA_VISIBLE_DEVICES"] = "-1"

import tensorflow as tf

from benchmarks.beside.frameworks.asked import options, serve


class Mlp(tf.Module):
    def __init__(self, sizes):
        super().__init__()
        self.weights = [tf.Variable(tf.random.normal(pair) * 0.1) for pair in zip(sizes, sizes[1:])]
        self.biases = [tf.Variable(tf.zeros([size])) for size in sizes[1:]]

    def __call__(self, x):
        last = len(self.weights) - 1
        for place, (weight, bias) in enumerate(zip(self.weights, self.biases)):
            x = tf.linalg.matmul(x, weight) + bias
            if place < last:
                x = tf.nn.relu(x)
        return x


def main() -> None:
    given = options(["eager", "function", "xla"])
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    model = Mlp(given.sizes)
    x = tf.random.normal([given.batch, given.sizes[0]])
    if given.mode == "function":
        model = tf.function(model)
    elif given.mode == "xla":
        model = tf.function(model, jit_compile=True)
    serve(lambda: model(x))


main()
