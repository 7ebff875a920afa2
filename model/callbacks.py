"""What happens around the steps of training: stop on a broken loss, evaluate, write the history, save."""

from __future__ import annotations

import csv
import io
import math
import time
from pathlib import Path
from typing import Any

import tensorflow as tf

from model.checkpoints import LastCheckpoints, Progress, save_best
from model.detector import LOSS_PARTS, Detector
from model.evaluation import Evaluator
from model.figures import draw_loss_curve
from model.run_folder import RunFolder, write_whole
from pipeline.errors import UserError
from pipeline.manifest import Manifest
from pipeline.recipe import TrainingConfig


class StopOnBrokenLoss(tf.keras.callbacks.Callback):
    """Stops at the first step whose loss is not finite, before anything is saved."""

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        """Raises `UserError` with step, learning rate and the parts of the loss."""
        parts = logs or {}
        if all(math.isfinite(value) for value in parts.values()):
            return
        optimizer = self.model.optimizer
        step = int(optimizer.iterations.numpy())
        rate = float(optimizer.learning_rate.numpy())
        values = ", ".join(f"{name} {parts[name]}" for name in LOSS_PARTS)
        raise UserError(f"the loss must be finite, got {values} (means of the epoch so far) at step {step}, "
                        f"learning rate {rate:.3g}; lower schedule.base in the configuration. Checkpoints "
                        "hold the epoch before")  # fmt: skip


class EvaluateOnVal(tf.keras.callbacks.Callback):
    """Evaluates the weights that count on val, and keeps those with the best AP."""

    def __init__(
        self,
        evaluator: Evaluator,
        manifest: Manifest,
        *,
        folder: RunFolder,
        progress: Progress,
        training: TrainingConfig,
    ) -> None:
        super().__init__()
        self.evaluator, self.manifest = evaluator, manifest
        self.folder, self.progress, self.training = folder, progress, training

    def on_epoch_end(self, epoch: int, logs: dict[str, Any]) -> None:
        """Adds AP and AP50 to the logs of the epochs that are evaluated: every n-th, and the last."""
        number, training = epoch + 1, self.training
        if number % training.evaluate_every and number != training.epochs:
            return
        detector: Detector = self.model
        self.evaluator.set_weights(detector.evaluation_weights())
        if detector.averages is not None:
            self.evaluator.fit_statistics(self.manifest, batch=training.batch, seed=training.seed)
        if self.manifest.examples("val") == 0:  # nothing to compare by: the latest weights are the best known
            save_best(self.folder, self.evaluator.network, number)
            return
        results = self.evaluator.evaluate(self.manifest, "val", batch=training.batch, limit=training.evaluate_examples)
        metrics = results.metrics()
        logs.update({name: metrics[name] for name in ("AP", "AP50")})
        best = metrics["AP"] > float(self.progress.best_ap)
        if best:
            self.progress.best_ap.assign(metrics["AP"])
            save_best(self.folder, self.evaluator.network, number)
        print(f"epoch {number}: val AP {metrics['AP']:.4f}, AP50 {metrics['AP50']:.4f}"
              f"{', the best so far' if best else ''}", flush=True)  # fmt: skip


class WriteHistory(tf.keras.callbacks.Callback):
    """Writes history.csv and the picture of its curves, whole, after every epoch."""

    COLUMNS = ("epoch", "step", "learning_rate", *LOSS_PARTS, "AP", "AP50", "seconds", "images_per_second")

    def __init__(self, folder: RunFolder, *, first_epoch: int, training: TrainingConfig) -> None:
        super().__init__()
        self.folder, self.training = folder, training
        # An epoch that was interrupted between its line and its checkpoint is trained and written again.
        self.rows = [row for row in read_history(folder.history) if int(row["epoch"]) <= first_epoch]

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Starts the clock and counts from the current step."""
        self.started, self.first_step = time.monotonic(), int(self.model.optimizer.iterations.numpy())
        self.seconds = 0.0

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        """Stops the clock: what follows the last step is evaluation."""
        self.seconds = time.monotonic() - self.started

    def on_epoch_end(self, epoch: int, logs: dict[str, float]) -> None:
        """Adds the epoch's line."""
        optimizer = self.model.optimizer
        step = int(optimizer.iterations.numpy())
        images = (step - self.first_step) * self.training.batch
        values = {
            **logs,
            "epoch": epoch + 1,
            "step": step,
            "learning_rate": float(optimizer.learning_rate.numpy()),
            "seconds": round(self.seconds, 3),
            "images_per_second": round(images / self.seconds, 2),
        }
        self.rows.append({name: str(values.get(name, "")) for name in self.COLUMNS})
        text = io.StringIO()
        writer = csv.DictWriter(text, self.COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.rows)
        write_whole(self.folder.history, text.getvalue())
        draw_loss_curve(self.rows, self.folder.loss_picture)


class SaveLast(tf.keras.callbacks.Callback):
    """Saves everything at the end of every epoch; stands last, so that a saved epoch is a finished one."""

    def __init__(self, checkpoints: LastCheckpoints) -> None:
        super().__init__()
        self.checkpoints = checkpoints

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Counts the epoch and saves."""
        self.checkpoints.progress.epoch.assign(epoch + 1)
        self.checkpoints.save()


def read_history(path: Path) -> list[dict[str, str]]:
    """The lines of a history.csv; none where it is not there."""
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return list(csv.DictReader(file))
