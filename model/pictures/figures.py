"""Pictures: matched anchors over ground truth, predictions over ground truth, the curves of a run."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from model.detection.coco import DetectedPicture
from pipeline.errors import UserError
from pipeline.geometry.anchors import Anchors
from pipeline.records.record import Record
from pipeline.views.collage import Picture

GROUND_TRUTH, ANCHOR, PREDICTION = "lime", "orange", "red"
COLUMNS = 4
MIN_SCORE = 0.3  # of detections that are drawn


def draw_matches(records: Sequence[Record], anchors: Anchors, class_names: Sequence[str], path: Path) -> None:
    """Matched anchors over the ground truth of every record (the notebook's `show`), as a PNG."""
    figure, axes = _grid(len(records))
    for axis, record in zip(axes, records, strict=True):
        picture = record.picture()
        axis.imshow(picture)
        axis.set_title(f"{record.key}: {len(record.targets.anchors)} anchors", fontsize=7)
        for corners in anchors.corners[record.targets.anchors]:
            _outline(axis, corners, picture, ANCHOR, width=0.6)
        for corners, label in zip(record.boxes, record.labels, strict=True):
            _outline(axis, corners, picture, GROUND_TRUTH, text=class_names[label])
    _save(figure, path)


def draw_detections(
    pictures: Sequence[DetectedPicture], class_names: Sequence[str], path: Path, *, min_score: float = MIN_SCORE
) -> None:
    """Detections of at least a score over the ground truth (the notebook's `show_prediction`), as a PNG."""
    figure, axes = _grid(len(pictures))
    for axis, shown in zip(axes, pictures, strict=True):
        axis.imshow(shown.picture)
        axis.set_title(shown.key, fontsize=7)
        for corners, label in zip(shown.boxes, shown.labels, strict=True):
            _outline(axis, corners, shown.picture, GROUND_TRUTH, text=class_names[label], below=True)
        for corners, label, score in zip(shown.detected_boxes, shown.detected_classes, shown.scores, strict=True):
            if score >= min_score:
                _outline(axis, corners, shown.picture, PREDICTION, text=f"{class_names[label]} {score:.2f}")
    _save(figure, path)


def draw_loss_curve(history: Sequence[dict[str, str]], path: Path) -> None:
    """The parts of the loss, and AP on val, by epoch, as a PNG."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    for axis, names in ((left, ("loss", "class_loss", "offsets_loss")), (right, ("AP", "AP50"))):
        for name in names:
            points = [(int(row["epoch"]), float(row[name])) for row in history if row[name]]
            axis.plot([p[0] for p in points], [p[1] for p in points], marker=".", label=name)
        axis.set_xlabel("epoch")
        axis.grid(alpha=0.3)
        axis.legend()
    left.set_title("training loss")
    right.set_title("val")
    right.set_ylim(0, 1)
    _save(figure, path)


def draw_ap_curves(curves: Mapping[str, tuple[int, Sequence[dict[str, str]]]], path: Path) -> None:
    """AP on val by pictures seen, as a PNG: of the weights that count in full lines, of the raw ones in dashes.

    Args:
        curves: by name of the run, its global batch and the evaluated lines of its history.
        path: of the picture.
    """
    figure, axis = plt.subplots(figsize=(8, 4.5), layout="constrained")
    for number, (name, (batch, rows)) in enumerate(curves.items()):
        seen = [int(row["step"]) * batch / 1000 for row in rows]
        averaged = any(row.get("raw_AP") for row in rows)
        label = f"{name}, averaged weights" if averaged else name
        axis.plot(seen, [float(row["AP"]) for row in rows], color=f"C{number}", marker=".", label=label)
        if averaged:
            raw = [float(row["raw_AP"]) if row["raw_AP"] else math.nan for row in rows]
            axis.plot(seen, raw, color=f"C{number}", linestyle="--", alpha=0.7, label=f"{name}, raw weights")
    axis.set_xlabel("thousand pictures seen")
    axis.set_ylabel("AP on val")
    axis.set_ylim(0, 1)
    axis.grid(alpha=0.3)
    axis.legend()
    _save(figure, path)


def short_names(paths: Sequence[str]) -> dict[str, str]:
    """The last part of each path; the whole path, where others end alike."""
    last = [Path(path).name for path in dict.fromkeys(paths)]
    return {
        path: name if last.count(name) == 1 else path for path, name in zip(dict.fromkeys(paths), last, strict=True)
    }


def png_path(output: str) -> Path:
    """The path that --output names. Raises `UserError` where it is not that of a PNG file."""
    path = Path(output)
    if path.suffix != ".png" or path.is_dir():
        found = f"{output}, a folder" if path.is_dir() else output
        raise UserError(f"--output must be the name of a file that ends in .png, got {found}")
    return path


def _grid(count: int) -> tuple[Figure, list[Axes]]:
    columns = min(COLUMNS, count)
    rows = math.ceil(count / columns)
    figure, axes = plt.subplots(rows, columns, figsize=(3 * columns, 3.2 * rows), squeeze=False, layout="constrained")
    for axis in axes.flat:
        axis.axis("off")
    return figure, list(axes.flat)[:count]


def _outline(
    axis: Axes,
    corners: NDArray[np.floating],
    picture: Picture,
    color: str,
    *,
    width: float = 1.2,
    text: str = "",
    below: bool = False,
) -> None:
    height, breadth = picture.shape[:2]
    ymin, ymax = corners[0] * height - 0.5, corners[2] * height - 0.5
    xmin, xmax = corners[1] * breadth - 0.5, corners[3] * breadth - 0.5
    axis.add_patch(Rectangle((xmin, ymin), xmax - xmin, ymax - ymin, fill=False, color=color, linewidth=width))
    if text:
        at, side = (ymax, "top") if below else (ymin, "bottom")
        axis.text(xmin, at, text, color=color, fontsize=7, verticalalignment=side, clip_on=True)


def _save(figure: Figure, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.unfinished")
    figure.savefig(unfinished, format="png", dpi=110)
    plt.close(figure)
    unfinished.replace(path)
