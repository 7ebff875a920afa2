"""history.csv: one line for each epoch of a run."""

from __future__ import annotations

import csv
import io
import time
from pathlib import Path

import tensorflow as tf

from model.training.detector import LOSS_PARTS
from model.training.progress import Progress
from model.training.run_folder import RunFolder
from pipeline.config.run_config import TrainingConfig
from pipeline.errors import UserError
from pipeline.files import read_regular, write_whole

COLUMNS = (
    *("epoch", "step", "learning_rate", *LOSS_PARTS),
    *("AP", "AP50", "raw_AP", "raw_AP50"),
    *("seconds", "images_per_second", "input_wait"),
)


class WriteHistory(tf.keras.callbacks.Callback):
    """Writes history.csv anew after every epoch."""

    def __init__(self, folder: RunFolder, progress: Progress, training: TrainingConfig, *, finished: int) -> None:
        """`finished`: epochs done. A later line belongs to an epoch whose checkpoint was not saved any more."""
        super().__init__()
        self.folder, self.progress, self.training = folder, progress, training
        self.rows = [row for row in read_history(folder.history) if int(row["epoch"]) <= finished]

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Starts the clock."""
        self.started, self.first_step = time.monotonic(), self.progress.step
        self.seconds, self.waited_before = 0.0, self.model.input_wait

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        """Stops the clock: what follows the last step is evaluation."""
        self.seconds = time.monotonic() - self.started

    def on_epoch_end(self, epoch: int, logs: dict[str, float]) -> None:
        """Adds the epoch's line. Times cover the steps since the process started."""
        step = self.progress.step
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
        self.rows.append({name: str(values.get(name, "")) for name in COLUMNS})
        text = io.StringIO()
        writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.rows)
        write_whole(self.folder.history, text.getvalue().encode())


def read_history(path: Path) -> list[dict[str, str]]:
    """The lines of a history.csv by column name; none if the file is missing.

    Raises `UserError` if it is not a history.
    """
    if not path.exists():
        return []
    try:
        rows = list(csv.DictReader(io.StringIO(read_regular(path).decode(), newline="")))
    except (UnicodeDecodeError, csv.Error):
        rows = [{}]
    if any(not (row.get("epoch") or "").isdecimal() or None in row or None in row.values() for row in rows):
        raise UserError(
            f"{path} must hold one whole line for each epoch, got another text; choose another --run, or remove the "
            "file: its curves start again then"
        )
    return rows
