"""The flags of `model.train`, and the configuration that they make together."""

from __future__ import annotations

import dataclasses
from typing import Any

from absl import flags

from configs import config_names, load_config
from model.distribution.strategies import STRATEGIES
from model.training.loss import BOX_LOSSES
from model.training.optimizers import OPTIMIZERS
from model.training.pretrained_weights import IMAGENET
from pipeline.config.run_config import PRECISIONS, Config

FLAGS = flags.FLAGS
flags.DEFINE_string("config", "cifar10_improved", f"One of {', '.join(config_names())}.")
flags.DEFINE_string("records", None, "Folder of the record set; default: records/<config>.")
flags.DEFINE_string("run", None, "Folder of the run, new or to be resumed; default: runs/<config>.")
flags.DEFINE_string("strategy", "default", f"How to use the devices: {', '.join(STRATEGIES)}.")
flags.DEFINE_integer("replicas", None, "Replicas of `mirrored`; default: one on each GPU, or one on the CPU.")
flags.DEFINE_integer("epochs", None, "Epochs, instead of the configuration's.")
flags.DEFINE_integer("batch", None, "Global batch, shared by the replicas, instead of the configuration's.")
flags.DEFINE_string("optimizer", None, f"One of {', '.join(OPTIMIZERS)}, instead of the configuration's.")
flags.DEFINE_enum(
    "box_loss", None, list(BOX_LOSSES), "Error of the offsets or of the boxes, instead of the configuration's."
)
flags.DEFINE_bool("sync_batch_norm", None, "Batch norm over the global batch, instead of each replica's share.")
flags.DEFINE_enum("precision", None, PRECISIONS, "Arithmetic of the network, instead of the configuration's.")
flags.DEFINE_bool("xla", None, "Compile the step with XLA; one replica only.")
flags.DEFINE_bool("deterministic", None, "The same bits in every run, and after every restart; slower.")
flags.DEFINE_string(
    "init",
    None,
    f"Weights to begin with: {IMAGENET}, a file of Keras Applications' MobileNetV2, or the folder of a run.",
)
flags.DEFINE_integer("freeze", None, "Keep the pretrained weights of the stem and of the first n blocks.")
flags.DEFINE_integer("evaluate_every", None, "Evaluate every n-th epoch, and the last, instead of the configuration's.")
flags.DEFINE_integer("evaluate_examples", None, "Evaluate the first n images of val, instead of the configuration's.")
flags.DEFINE_integer("patience", None, "Stop when AP on val has not risen for n evaluations.")
flags.DEFINE_integer(
    "backup_steps", 500, "Save everything every n steps too, not only after each epoch.", lower_bound=1
)
flags.DEFINE_enum("check", "checksums", ["checksums", "sizes"], "What to check of the records before training.")


def read_config() -> Config:
    """The configuration that `--config` names, with the values of the other flags in it."""
    config = load_config(FLAGS.config)

    def change(part: Any, **values: Any) -> Any:
        return dataclasses.replace(part, **{name: value for name, value in values.items() if value is not None})

    loss = change(config.loss, offsets=FLAGS.box_loss)
    if FLAGS.box_loss and (known := BOX_LOSSES.get(config.loss.offsets)) and known.weight is None:
        loss = change(loss, offsets_weight=BOX_LOSSES[FLAGS.box_loss].weight)
    return dataclasses.replace(
        config,
        loss=loss,
        model=change(config.model, synchronized_batch_norm=FLAGS.sync_batch_norm, freeze=FLAGS.freeze),
        training=change(
            config.training,
            epochs=FLAGS.epochs,
            batch=FLAGS.batch,
            optimizer=FLAGS.optimizer,
            precision=FLAGS.precision,
            xla=FLAGS.xla,
            deterministic=FLAGS.deterministic,
            init=FLAGS.init,
            evaluate_every=FLAGS.evaluate_every,
            evaluate_examples=FLAGS.evaluate_examples,
            patience=FLAGS.patience,
        ),
    )
