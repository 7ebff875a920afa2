"""Curves of runs: losses and AP by epoch, and AP by images seen."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from model.drawing.png import add_legend, encode_png, name_drawing_errors, new_figure


class Epoch(Protocol):
    """The values of an epoch that are drawn: a line of its run's history."""

    @property
    def epoch(self) -> int: ...
    @property
    def step(self) -> int: ...
    @property
    def loss(self) -> float: ...
    @property
    def class_loss(self) -> float: ...
    @property
    def offsets_loss(self) -> float: ...
    @property
    def AP(self) -> float | None: ...
    @property
    def AP50(self) -> float | None: ...
    @property
    def raw_AP(self) -> float | None: ...


@name_drawing_errors()
def draw_loss_curves(history: Sequence[Epoch]) -> bytes:
    """The parts of the loss, and AP on val, by epoch. -> PNG. Raises `UserError` if that fails."""
    figure = new_figure(width=10, height=4)
    left, right = figure.subplots(1, 2)
    for axis, names in ((left, ["loss", "class_loss", "offsets_loss"]), (right, ["AP", "AP50"])):
        for name in names:
            points = [(row.epoch, value) for row in history if (value := getattr(row, name)) is not None]
            axis.plot([p[0] for p in points], [p[1] for p in points], marker=".")
        axis.set_xlabel("epoch")
        axis.grid(alpha=0.3)
        add_legend(axis, names)
    left.set_title("training loss")
    right.set_title("val")
    right.set_ylim(0, 1)
    return encode_png(figure)


@name_drawing_errors()
def draw_ap_curves(curves: Mapping[str, tuple[int, Sequence[Epoch]]]) -> bytes:
    """AP on val by images seen: solid lines for averaged weights, dashed lines for raw ones. -> PNG.

    Raises `UserError` if that fails.

    Args:
        curves: by name of the run, its global batch and the evaluated lines of its history.
    """
    figure = new_figure(width=8, height=4.5)
    axis = figure.subplots()
    names = []
    for number, (name, (batch, rows)) in enumerate(curves.items()):
        seen = [row.step * batch / 1000 for row in rows]
        averaged = any(row.raw_AP is not None for row in rows)
        axis.plot(seen, [_or_gap(row.AP) for row in rows], color=f"C{number}", marker=".")
        names.append(f"{name}, averaged weights" if averaged else name)
        if averaged:
            axis.plot(seen, [_or_gap(row.raw_AP) for row in rows], color=f"C{number}", linestyle="--", alpha=0.7)
            names.append(f"{name}, raw weights")
    axis.set_xlabel("thousand images seen")
    axis.set_ylabel("AP on val")
    axis.set_ylim(0, 1)
    axis.grid(alpha=0.3)
    add_legend(axis, names)
    return encode_png(figure)


def _or_gap(value: float | None) -> float:
    """A value to plot; NaN leaves a gap."""
    return math.nan if value is None else value


def shorten_paths(paths: Sequence[str]) -> dict[str, str]:
    """The last part of each path, or the whole path if another one ends in the same name."""
    last = [Path(path).name for path in dict.fromkeys(paths)]
    return {
        path: name if last.count(name) == 1 else path for path, name in zip(dict.fromkeys(paths), last, strict=True)
    }
