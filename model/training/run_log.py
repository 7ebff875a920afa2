"""What a run tells while it goes on: history.csv, TensorBoard's events, its images, and the lines on the terminal."""

from __future__ import annotations

import csv
import dataclasses
import io
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import tensorflow as tf
from msgspec import Meta
from tqdm import tqdm

from model.detection.coco import DetectedImage
from model.distribution.workers import Rank
from model.drawing.curves import draw_loss_curves
from model.drawing.image_grid import draw_detections
from model.training.failures import name_full_disk
from model.training.run_folder import RunFolder
from model.training.step_losses import LOSS_PARTS
from pipeline.config.run_config import TrainingConfig
from pipeline.errors import UserError, make_printable
from pipeline.files import read_regular, write_whole
from pipeline.typed_json import Count, from_dict

# Limits also keep NaN and infinity out.
Positive = Annotated[int, Meta(ge=1, le=10**15)]
Share = Annotated[float, Meta(ge=0, le=1)]
Amount = Annotated[float, Meta(ge=0, le=1e15)]
Finite = Annotated[float, Meta(ge=-1e38, le=1e38)]

_HISTORY_BYTES = 1 << 26  # of a history.csv, at most: an epoch takes some 200


@dataclass(frozen=True)
class EpochRow:
    """A line of history.csv: one epoch of a run. The times cover the epoch's steps since the process started."""

    epoch: Positive
    step: Count  # steps done at its end
    learning_rate: Finite
    loss: Finite
    class_loss: Finite
    offsets_loss: Finite
    AP: Share | None  # on val; None for an epoch without evaluation
    AP50: Share | None
    raw_AP: Share | None  # of the raw weights, if averaged ones are evaluated
    raw_AP50: Share | None
    seconds: Amount
    images_per_second: Amount
    input_wait: Finite  # share of the time that the steps waited for input


COLUMNS = tuple(field.name for field in dataclasses.fields(EpochRow))


class RunLog:
    """Writes the files and lines of one run. Ranks other than 0 have one that writes nothing."""

    def __init__(
        self,
        folder: RunFolder,
        training: TrainingConfig,
        history: Sequence[EpochRow],
        *,
        class_names: Sequence[str],
        rank: Rank,
    ) -> None:
        """Goes on with the lines of a history.

        Raises `OSError` if the disk is full.
        """
        self.folder, self.training, self.class_names, self.writes = folder, training, class_names, rank.is_chief
        self.rows = list(history)
        self.waited = 0.0  # seconds that the steps have spent waiting for their batches
        self._drawn = True  # until drawing has failed once
        if self.writes:
            with name_full_disk(folder.tensorboard):
                self._events = tf.summary.create_file_writer(str(folder.tensorboard))

    def begin_epoch(self, epoch: int, *, step: int, epoch_steps: int) -> None:
        """Starts the clock and the bar of an epoch, counted from 1. `step`: steps done."""
        self._bar = tqdm(
            total=epoch_steps,
            initial=step % epoch_steps,
            desc=f"epoch {epoch}",
            unit="step",
            leave=False,
            disable=not (self.writes and sys.stderr.isatty()),
        )
        self._begin = self._since = _Clock(time.monotonic(), step, self.waited)

    @contextmanager
    def input_wait(self) -> Iterator[None]:
        """Adds the time inside to that which the steps have waited for their batches."""
        began = time.perf_counter()
        yield
        self.waited += time.perf_counter() - began

    def end_step(self) -> None:
        """Moves the bar."""
        self._bar.update()

    def write_step(self, step: int, losses: np.ndarray) -> None:
        """Tells TensorBoard the speed, and the losses and rate of a step: a row of `StepLosses.read_recent`."""
        now = _Clock(time.monotonic(), step, self.waited)
        if self.writes:
            with name_full_disk(self.folder.tensorboard), self._events.as_default(step=step):
                for name, value in zip((*LOSS_PARTS, "learning_rate"), losses, strict=True):
                    tf.summary.scalar(f"step/{name}", value)
                images_per_second, wait = now.speed_since(self._since, batch=self.training.batch)
                tf.summary.scalar("speed/images_per_second", images_per_second)
                tf.summary.scalar("speed/input_wait_share", wait)
        self._since = now

    def end_steps(self, epoch: int, means: Mapping[str, float]) -> None:
        """Stops the clock after an epoch's last step, and prints the epoch's mean losses."""
        self._bar.close()
        if self.writes:
            losses = ", ".join(f"{name} {means[name]:.4f}" for name in LOSS_PARTS)
            seconds = self._since.seconds - self._begin.seconds
            print(f"epoch {epoch} of {self.training.epochs}: {losses}, {seconds:.1f} s", flush=True)

    def print_scores(self, epoch: int, scores: Mapping[str, float], *, risen: bool) -> None:
        """Prints the scores on val, if there are any."""
        if scores:
            raw = f", raw weights AP {scores['raw_AP']:.4f}" if "raw_AP" in scores else ""
            best = ", the best so far" if risen else ""
            print(f"epoch {epoch}: val AP {scores['AP']:.4f}, AP50 {scores['AP50']:.4f}{raw}{best}", flush=True)

    def write_row(self, epoch: int, *, rate: float, means: Mapping[str, float], scores: Mapping[str, float]) -> None:
        """Adds the epoch's line to history.csv. `scores`: AP, AP50, raw_AP and raw_AP50, as far as there are any."""
        if not self.writes:
            return
        end, batch = self._since, self.training.batch
        images_per_second, wait = end.speed_since(self._begin, batch=batch)
        row = EpochRow(
            epoch=epoch,
            step=end.step,
            learning_rate=rate,
            loss=means["loss"],
            class_loss=means["class_loss"],
            offsets_loss=means["offsets_loss"],
            AP=scores.get("AP"),
            AP50=scores.get("AP50"),
            raw_AP=scores.get("raw_AP"),
            raw_AP50=scores.get("raw_AP50"),
            seconds=round(end.seconds - self._begin.seconds, 3),
            images_per_second=round(images_per_second, 2),
            input_wait=round(wait, 4),
        )
        self.rows.append(row)
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(dataclasses.astuple(row) for row in self.rows)  # None as the empty text
        write_whole(self.folder.history, text.getvalue().encode())

    def draw(self, images: Sequence[DetectedImage]) -> None:
        """Draws the curves, and detections in images of val if there are any; tells TensorBoard the epoch's line.

        An error while drawing is printed, once, and does not stop training. A full disk does stop it, as it stops
        everything else.
        """
        if not self.writes:
            return
        row, detections = dataclasses.asdict(self.rows[-1]), None
        try:
            curves = draw_loss_curves(self.rows)
            detections = draw_detections(images, self.class_names) if images else None
        except UserError as error:
            if self._drawn:
                print(make_printable(f"{error}; training continues"), flush=True)
            self._drawn = False
        else:
            write_whole(self.folder.loss_image, curves)
            if detections is not None:
                write_whole(self.folder.val_image, detections)
        with name_full_disk(self.folder.tensorboard), self._events.as_default(step=row["step"]):
            for name in (*LOSS_PARTS, "AP", "AP50", "raw_AP", "raw_AP50"):
                if row[name] is not None:
                    tf.summary.scalar(f"{'val' if 'AP' in name else 'epoch'}/{name}", row[name])
            if detections is not None:
                tf.summary.image("val/detections", tf.io.decode_png(detections, channels=3)[None])
            self._events.flush()


@dataclass(frozen=True)
class _Clock:
    """A moment of a training."""

    seconds: float
    step: int  # steps done
    waited: float  # seconds, for input

    def speed_since(self, before: _Clock, *, batch: int) -> tuple[float, float]:
        """Images per second since another moment, and the share of that time that the steps waited for input."""
        seconds = self.seconds - before.seconds
        return (self.step - before.step) * batch / seconds, (self.waited - before.waited) / seconds


def read_history(path: Path, *, epochs: int | None = None) -> list[EpochRow]:
    """The lines of a history.csv, or of its first epochs; none if the file is missing.

    Raises `UserError` that names the file if it cannot be read, and line and column if something in it is wrong.
    """
    try:
        text = read_regular(path, limit=_HISTORY_BYTES).decode()
        rows = parse_rows(csv.DictReader(io.StringIO(text, newline="")), where=str(path))
        return [row for row in rows if epochs is None or row.epoch <= epochs]
    except FileNotFoundError:
        return []
    except OSError as error:
        problem = str(error) if error.errno is None else f"{path} cannot be read: {error.strerror}"
    except (UnicodeDecodeError, csv.Error) as error:
        problem = f"{path} is no table of epochs ({error})"
    except UserError as error:
        problem = str(error)
    raise UserError(f"{problem}; choose another --run, or remove the file: then the curves start again")


def parse_rows(rows: Iterable[Mapping[str, str]], *, where: str) -> list[EpochRow]:
    """The lines of a history.csv, as `csv.DictReader` reads them; the empty text is None.

    Raises `UserError` that names `where`, the line and the column.
    """
    parsed: list[EpochRow] = []
    for number, row in enumerate(rows, start=2):  # after the header
        place = f"{where}: line {number}"
        # csv.DictReader keeps surplus values under the key None, and gives None for missing ones.
        if None in row or None in row.values():
            raise UserError(f"{place} must have {len(COLUMNS)} values, one for each column, got another number")
        parsed.append(from_dict(EpochRow, {name: text or None for name, text in row.items()}, where=place, text=True))
        if len(parsed) > 1 and parsed[-1].epoch <= parsed[-2].epoch:
            raise UserError(f"{place}: epoch must be above {parsed[-2].epoch}, got {parsed[-1].epoch}")
    return parsed
