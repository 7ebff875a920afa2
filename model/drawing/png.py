"""Makes matplotlib figures and turns them into PNG files."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.errors import UserError, make_printable

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_LONGEST = 100  # characters of a name in an image


@contextlib.contextmanager
def name_drawing_errors() -> Iterator[None]:
    """Turns any error while drawing into a `UserError`. Also works as a decorator.

    Names, scores and images can hold anything, and matplotlib may raise any kind of error about them.
    """
    try:
        yield
    except Exception as error:
        reason = " ".join(str(error).split())
        raise UserError(f"images cannot be drawn ({type(error).__name__}: {reason})") from error


def new_figure(*, width: float, height: float) -> Figure:
    """An empty figure. Sizes in inches.

    matplotlib is imported here, not above: its import needs a cache folder, and a machine without one must still be
    able to train.
    """
    logging.getLogger("matplotlib").setLevel(logging.ERROR)  # it warns when its cache folder is a temporary one
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def drawable(text: str) -> str:
    """A name ready to draw: control characters escaped, and cut short, as matplotlib takes minutes for a long one."""
    return make_printable(text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…")


def add_legend(axis: Any, names: list[str]) -> None:
    """A legend with a name for each line of an axis, in their order, drawn literally.

    matplotlib leaves out names that begin with an underscore, and takes `$` for mathematics.
    """
    if not names:
        return
    legend = axis.legend(axis.get_lines(), [f"line {number}" for number in range(len(names))])
    for text, name in zip(legend.get_texts(), names, strict=True):
        text.set_text(drawable(name))
        text.set_parse_math(False)


def encode_png(figure: Figure) -> bytes:
    """The figure as a PNG file."""
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about letters that the font does not have: they are drawn as boxes
        figure.savefig(file, format="png", dpi=110)
    return file.getvalue()


def find_png_path(output: str) -> Path:
    """The path that --output names. Raises `UserError` if it does not name a PNG file."""
    path = Path(output)
    if path.suffix != ".png" or path.is_dir():
        found = f"{output}, a folder" if path.is_dir() else output
        raise UserError(f"--output must be the name of a file that ends in .png, got {found}")
    return path
