"""Draws a run's images after every epoch: the curves of its losses, and detections in val."""

from __future__ import annotations

import tensorflow as tf

from model.drawing.curves import loss_curves
from model.drawing.image_grid import draw_detections
from model.training.evaluate_on_val import EvaluateOnVal
from model.training.history import WriteHistory
from model.training.run_folder import RunFolder
from pipeline.errors import UserError, printable
from pipeline.files import write_whole
from pipeline.records.manifest import Manifest


class DrawImages(tf.keras.callbacks.Callback):
    """Writes loss.png and val_detections.png. Must come after every callback that matters more than an image.

    An error while drawing is printed, once, and does not stop training. A full disk does stop it, as it stops
    everything else.
    """

    def __init__(self, folder: RunFolder, manifest: Manifest, evaluation: EvaluateOnVal, history: WriteHistory) -> None:
        super().__init__()
        self.folder, self.manifest, self.evaluation, self.history = folder, manifest, evaluation, history
        self.detections: bytes | None = None  # the PNG of the current epoch's detections, if they were drawn
        self.failed = False

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Draws and writes the images."""
        self.detections = None
        try:
            curves = loss_curves(self.history.rows)
            if self.evaluation.images:
                self.detections = draw_detections(self.evaluation.images, self.manifest.class_names)
        except UserError as error:
            if not self.failed:
                print(printable(f"{error}; training continues"), flush=True)
            self.failed = True
            return
        write_whole(self.folder.loss_image, curves)
        if self.detections is not None:
            write_whole(self.folder.val_image, self.detections)
