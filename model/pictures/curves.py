"""Curves of runs: losses and AP by epoch, and AP by pictures seen."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from model.pictures.png import add_legend, as_png, named_drawing_errors, new_figure


@named_drawing_errors()
def loss_curves(history: Sequence[dict[str, str]]) -> bytes:
    """The parts of the loss, and AP on val, by epoch. -> PNG. Raises `UserError` if that fails."""
    figure = new_figure(width=10, height=4)
    left, right = figure.subplots(1, 2)
    for axis, names in ((left, ["loss", "class_loss", "offsets_loss"]), (right, ["AP", "AP50"])):
        for name in names:
            points = [(int(row["epoch"]), float(row[name])) for row in history if row[name]]
            axis.plot([p[0] for p in points], [p[1] for p in points], marker=".")
        axis.set_xlabel("epoch")
        axis.grid(alpha=0.3)
        add_legend(axis, names)
    left.set_title("training loss")
    right.set_title("val")
    right.set_ylim(0, 1)
    return as_png(figure)


@named_drawing_errors()
def ap_curves(curves: Mapping[str, tuple[int, Sequence[dict[str, str]]]]) -> bytes:
    """AP on val by pictures seen: of averaged weights in full lines, of raw ones in dashes. -> PNG.

    Raises `UserError` if that fails.

    Args:
        curves: by name of the run, its global batch and the evaluated lines of its history.
    """
    figure = new_figure(width=8, height=4.5)
    axis = figure.subplots()
    names = []
    for number, (name, (batch, rows)) in enumerate(curves.items()):
        seen = [int(row["step"]) * batch / 1000 for row in rows]
        averaged = any(row.get("raw_AP") for row in rows)
        axis.plot(seen, [float(row["AP"]) for row in rows], color=f"C{number}", marker=".")
        names.append(f"{name}, averaged weights" if averaged else name)
        if averaged:
            raw = [float(row["raw_AP"]) if row["raw_AP"] else math.nan for row in rows]
            axis.plot(seen, raw, color=f"C{number}", linestyle="--", alpha=0.7)
            names.append(f"{name}, raw weights")
    axis.set_xlabel("thousand pictures seen")
    axis.set_ylabel("AP on val")
    axis.set_ylim(0, 1)
    axis.grid(alpha=0.3)
    add_legend(axis, names)
    return as_png(figure)


def short_names(paths: Sequence[str]) -> dict[str, str]:
    """The last part of each path, or the whole path if others end alike."""
    last = [Path(path).name for path in dict.fromkeys(paths)]
    return {
        path: name if last.count(name) == 1 else path for path, name in zip(dict.fromkeys(paths), last, strict=True)
    }
