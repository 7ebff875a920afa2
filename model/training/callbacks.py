"""What happens around the steps of training: stop on a broken loss, evaluate, write the history, save."""

from __future__ import annotations

import csv
import io
import math
import time
from pathlib import Path
from typing import Any

import tensorflow as tf

from model.detection.evaluator import Evaluator
from model.distribution.workers import Worker
from model.pictures.figures import draw_detections, draw_loss_curve
from model.training.checkpoints import BestCheckpoint, LastCheckpoints, Progress
from model.training.detector import LOSS_PARTS, Detector
from model.training.run_folder import RunFolder
from pipeline.config.run_config import TrainingConfig
from pipeline.errors import UserError
from pipeline.files import write_whole
from pipeline.reader.dataset import keys_of_step
from pipeline.records.manifest import Manifest

PICTURES = 8  # of val, drawn with their detections after every evaluation


class StopOnBrokenLoss(tf.keras.callbacks.Callback):
    """Stops at the first step whose loss is not finite, before anything is saved."""

    def __init__(self, manifest: Manifest, training: TrainingConfig, progress: Progress, worker: Worker) -> None:
        super().__init__()
        self.manifest, self.training, self.progress, self.worker = manifest, training, progress, worker

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        """Raises `UserError` with step, learning rate, the parts of the loss, and the keys of the records."""
        if all(math.isfinite(value) for value in (logs or {}).values()):
            return
        step, training = int(self.progress.step), self.training
        values = ", ".join(f"{name} {self.model.last[name].numpy():.4g}" for name in LOSS_PARTS)
        rate = self.model.learning_rate()
        keys = keys_of_step(
            self.manifest, batch=training.batch, seed=training.seed, step=step, readers=self.worker.count
        )
        raise UserError(f"the loss must be finite, got {values} at step {step + 1}, learning rate {rate:.3g}, on the "
                        f"records {', '.join(keys)} of {self.manifest.folder}; lower schedule.base in the "
                        "configuration and train it in another --run, or look at these records, one at a time, with "
                        f"`make pictures RECORDS={self.manifest.folder} ARGS=--key={keys[0]}`")  # fmt: skip


class EvaluateOnVal(tf.keras.callbacks.Callback):
    """Evaluates the weights that count on val, and keeps those with the best AP; beside them the raw ones."""

    def __init__(
        self,
        evaluator: Evaluator,
        manifest: Manifest,
        *,
        folder: RunFolder,
        progress: Progress,
        training: TrainingConfig,
        worker: Worker,
    ) -> None:
        super().__init__()
        self.evaluator, self.manifest, self.worker = evaluator, manifest, worker
        self.best = BestCheckpoint(folder, evaluator.network)
        self.folder, self.progress, self.training = folder, progress, training

    def on_epoch_end(self, epoch: int, logs: dict[str, Any]) -> None:
        """Adds AP and AP50 to the logs of the epochs that are evaluated: every n-th, and the last."""
        number, training = epoch + 1, self.training
        if number % training.evaluate_every and number != training.epochs:
            return
        detector: Detector = self.model
        averaged = detector.averages is not None
        # Statistics of batch norm are read from every worker; the chief goes on alone.
        counting = detector.evaluation_weights()
        raw = detector.network.get_weights() if averaged else counting
        if not self.worker.is_chief:
            return
        evaluator = self.evaluator
        examples = self.manifest.examples("val")
        if averaged and examples:
            evaluator.set_weights(raw)
            logs.update({f"raw_{name}": value for name, value in self._on_val().items()})
        evaluator.set_weights(counting)
        if averaged:
            evaluator.fit_statistics(self.manifest, batch=training.batch, seed=training.seed)
        if not examples:  # nothing to compare by: the latest weights are the best known
            self.best.save(number)
            return
        metrics = self._on_val(drawn=True)
        logs.update(metrics)
        best = metrics["AP"] > float(self.progress.best_ap)
        if best:
            self.progress.best_ap.assign(metrics["AP"])
            self.best.save(number)
        print(f"epoch {number}: val AP {metrics['AP']:.4f}, AP50 {metrics['AP50']:.4f}"
              f"{', raw weights AP {:.4f}'.format(logs['raw_AP']) if averaged else ''}"
              f"{', the best so far' if best else ''}", flush=True)  # fmt: skip

    def _on_val(self, *, drawn: bool = False) -> dict[str, float]:
        results = self.evaluator.evaluate(
            self.manifest,
            "val",
            batch=self.training.batch,
            limit=self.training.evaluate_examples,
            pictures=PICTURES if drawn else 0,
        )
        if drawn:
            draw_detections(results.pictures, self.manifest.class_names, self.folder.val_picture)
        metrics = results.metrics()
        return {name: metrics[name] for name in ("AP", "AP50")}


class WriteHistory(tf.keras.callbacks.Callback):
    """Writes history.csv and the picture of its curves, whole, after every epoch."""

    COLUMNS = ("epoch", "step", "learning_rate", *LOSS_PARTS, "AP", "AP50", "raw_AP", "raw_AP50", "seconds",
               "images_per_second", "input_wait")  # fmt: skip

    def __init__(self, folder: RunFolder, progress: Progress, training: TrainingConfig, *, finished: int) -> None:
        super().__init__()
        self.folder, self.progress, self.training = folder, progress, training
        # An epoch that was interrupted between its line and its checkpoint is trained and written again.
        self.rows = [row for row in read_history(folder.history) if int(row["epoch"]) <= finished]

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Starts the clock and counts from the current step."""
        self.started, self.first_step = time.monotonic(), int(self.progress.step)
        self.seconds, self.waited_before = 0.0, self.model.input_wait

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        """Stops the clock: what follows the last step is evaluation."""
        self.seconds = time.monotonic() - self.started

    def on_epoch_end(self, epoch: int, logs: dict[str, float]) -> None:
        """Adds the epoch's line. Times are those of the steps since the last start of the process."""
        step = int(self.progress.step)
        images = (step - self.first_step) * self.training.batch
        values = {
            **logs,
            "epoch": epoch + 1,
            "step": step,
            "learning_rate": self.model.learning_rate(),
            "seconds": round(self.seconds, 3),
            "images_per_second": round(images / self.seconds, 2),
            "input_wait": round((self.model.input_wait - self.waited_before) / self.seconds, 4),
        }
        self.rows.append({name: str(values.get(name, "")) for name in self.COLUMNS})
        text = io.StringIO()
        writer = csv.DictWriter(text, self.COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.rows)
        write_whole(self.folder.history, text.getvalue().encode())
        draw_loss_curve(self.rows, self.folder.loss_picture)


class CountSteps(tf.keras.callbacks.Callback):
    """Counts the steps done. Stands after those that speak of the step that was just done."""

    def __init__(self, progress: Progress) -> None:
        super().__init__()
        self.progress = progress

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        """One more."""
        self.progress.step.assign_add(1)


class SaveLast(tf.keras.callbacks.Callback):
    """Saves everything every so many steps, and at the end of every epoch. Stands last."""

    def __init__(self, checkpoints: LastCheckpoints, *, every: int, epoch_steps: int) -> None:
        super().__init__()
        self.checkpoints, self.every, self.epoch_steps = checkpoints, every, epoch_steps
        # Keras begins an epoch with means of nothing, also one that goes on.
        self.means = [
            (variable, variable.numpy()) for mean in checkpoints.detector.means.values() for variable in mean.variables
        ]

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Puts back the means of an epoch that goes on."""
        if int(self.checkpoints.progress.step) % self.epoch_steps:
            for variable, value in self.means:
                variable.assign(value)

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        """Saves, but not the end of an epoch: that one counts once it is evaluated."""
        step = int(self.checkpoints.progress.step)
        if step % self.every == 0 and step % self.epoch_steps:
            self.checkpoints.save()

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Saves."""
        self.checkpoints.save()


def read_history(path: Path) -> list[dict[str, str]]:
    """The lines of a history.csv; none where it is not there."""
    if not path.exists():
        return []
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    if any(not (row.get("epoch") or "").isdigit() or None in row or None in row.values() for row in rows):
        raise UserError(f"{path} must hold one whole line an epoch, got another text; choose another --run, or "
                        "remove the file: its curves begin anew then")  # fmt: skip
    return rows
