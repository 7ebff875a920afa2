"""history.csv: one line for each epoch of a run."""

from __future__ import annotations

import csv
import dataclasses
import io
import time
from pathlib import Path

import tensorflow as tf

from model.training.epoch_row import COLUMNS, EpochRow, parse_rows
from model.training.progress import Progress
from model.training.run_folder import RunFolder
from pipeline.config.run_config import TrainingConfig
from pipeline.errors import UserError
from pipeline.files import read_regular, write_whole

_HISTORY_BYTES = 1 << 26  # of a history.csv, at most: an epoch takes some 200


class WriteHistory(tf.keras.callbacks.Callback):
    """Rewrites history.csv after every epoch."""

    def __init__(self, folder: RunFolder, progress: Progress, training: TrainingConfig, *, finished: int) -> None:
        """`finished`: epochs done. Later lines are dropped: the checkpoints of their epochs were not saved."""
        super().__init__()
        self.folder, self.progress, self.training = folder, progress, training
        self.rows = [row for row in read_history(folder.history) if row.epoch <= finished]

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
        row = EpochRow(
            epoch=epoch + 1,
            step=step,
            learning_rate=self.model.learning_rate(),
            loss=logs["loss"],
            class_loss=logs["class_loss"],
            offsets_loss=logs["offsets_loss"],
            AP=logs.get("AP"),
            AP50=logs.get("AP50"),
            raw_AP=logs.get("raw_AP"),
            raw_AP50=logs.get("raw_AP50"),
            seconds=round(self.seconds, 3),
            images_per_second=round(images / self.seconds, 2),
            input_wait=round((self.model.input_wait - self.waited_before) / self.seconds, 4),
        )
        self.rows.append(row)
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(dataclasses.astuple(row) for row in self.rows)  # None as the empty text
        write_whole(self.folder.history, text.getvalue().encode())


def read_history(path: Path) -> list[EpochRow]:
    """The lines of a history.csv; none if the file is missing.

    Raises `UserError` that names the file if it cannot be read, and line and column if something in it is wrong.
    """
    try:
        text = read_regular(path, limit=_HISTORY_BYTES).decode()
        return parse_rows(csv.DictReader(io.StringIO(text, newline="")), where=str(path))
    except FileNotFoundError:
        return []
    except OSError as error:
        problem = str(error) if error.errno is None else f"{path} cannot be read: {error.strerror}"
    except (UnicodeDecodeError, csv.Error) as error:
        problem = f"{path} must be a table of epochs, got something else ({error})"
    except UserError as error:
        problem = str(error)
    raise UserError(f"{problem}; choose another --run, or remove the file: then the curves start again")
