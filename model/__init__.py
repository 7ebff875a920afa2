"""The trainer: MobileNetV2-SSD, its loss, decoding and evaluation, under `tf.distribute`.

Everything here is written for Keras 2 as `tf.keras`, which is chosen before TensorFlow is imported.
"""

from model.distribution.tensorflow_workarounds import start_tensorflow

start_tensorflow()
