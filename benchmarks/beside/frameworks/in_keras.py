"""Keras 3 on TensorFlow: a Sequential, called as it is, as a graph, compiled by XLA, and by predict_on_batch."""

import os

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "2"
os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
os.environ["KERAS_BACKEND"] = "tensorflow"

import tensorflow as tf

tf.config.threading.set_intra_op_parallelism_threads(1)
tf.config.threading.set_inter_op_parallelism_threads(1)

import keras

from benchmarks.beside.frameworks.asked import options, serve


def main() -> None:
    given = options(["eager", "function", "xla", "predict"])
    layers = [keras.Input((given.sizes[0],))]
    layers += [keras.layers.Dense(size, activation="relu") for size in given.sizes[1:-1]]
    model = keras.Sequential([*layers, keras.layers.Dense(given.sizes[-1])])
    x = tf.random.normal([given.batch, given.sizes[0]])
    if given.mode == "predict":
        serve(lambda: model.predict_on_batch(x))
        return
    if given.mode == "eager":
        serve(lambda: model(x, training=False))
        return
    # `training` as an argument of the graph would be looked at in every call.
    call = tf.function(model, jit_compile=given.mode == "xla")
    serve(lambda: call(x))


main()
