"""The trainer: MobileNetV2-SSD, its loss, decoding and evaluation, under `tf.distribute`.

Everything here is written for Keras 2 as `tf.keras`. From TensorFlow 2.16 on, that is the package tf-keras, chosen by
an environment variable that must be set before `tf.keras` is first used. TensorFlow 2.15 includes Keras 2, and breaks
if the variable is set.
"""

import os
from importlib import metadata

if tuple(int(part) for part in metadata.version("tensorflow").split(".")[:2]) >= (2, 16):
    os.environ["TF_USE_LEGACY_KERAS"] = "1"

from model.quiet_start import start_tensorflow

start_tensorflow()
