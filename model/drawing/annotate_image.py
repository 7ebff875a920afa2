"""A copy of an image, in its own pixels, with its detections drawn in."""

from __future__ import annotations

import colorsys
import io
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from model.detection.own_pixels import FoundObjects
from model.drawing.png import drawable
from pipeline.compositions.composition import MAX_IMAGE
from pipeline.compositions.resize import RgbImage

_QUALITY = 92  # of a JPEG file
_MARGIN = 2  # pixels around a text
_GOLDEN = 0.618033988749895


def annotate_image(image: RgbImage, objects: FoundObjects, class_names: Sequence[str]) -> RgbImage:
    """Outlines every detection in the colour of its class, with name and score, the best ones on top.

    Args:
        image: [h, w, 3] uint8 RGB; it stays as it is.
        objects: its detections.
        class_names: of all classes.

    Returns:
        The annotated copy, [h, w, 3].
    """
    drawn = Image.fromarray(image)
    draw = ImageDraw.Draw(drawn)
    longer = max(image.shape[:2])
    width = max(1, round(longer / 400))
    font = ImageFont.load_default(max(10, round(longer / 50)))
    for number in reversed(range(len(objects.boxes))):
        ymin, xmin, ymax, xmax = (float(side) for side in objects.boxes[number])
        label = int(objects.classes[number])
        colour = pick_class_colour(label)
        # Pillow's rectangles include their last row and column.
        draw.rectangle((xmin, ymin, max(xmin, xmax - 1), max(ymin, ymax - 1)), outline=colour, width=width)
        text = f"{drawable(class_names[label])} {objects.scores[number]:.2f}"
        _write(draw, text, font, at=(xmin, ymin), colour=colour, size=drawn.size)
    return np.asarray(drawn)


def pick_class_colour(label: int) -> tuple[int, int, int]:
    """A bright RGB colour for a class; the next classes' colours are far from it."""
    red, green, blue = colorsys.hsv_to_rgb(label * _GOLDEN % 1.0, 0.85, 1.0)
    return round(red * 255), round(green * 255), round(blue * 255)


def encode_image_file(image: RgbImage, suffix: str) -> bytes:
    """An image as a JPEG file if the suffix says so, else as a PNG file."""
    file = io.BytesIO()
    drawn = Image.fromarray(image)
    if suffix.lower() in (".jpg", ".jpeg") and max(drawn.size) <= MAX_IMAGE:  # JPEG has no larger ones
        drawn.save(file, format="JPEG", quality=_QUALITY)
    else:
        drawn.save(file, format="PNG", compress_level=1)
    return file.getvalue()


def _write(
    draw: ImageDraw.ImageDraw,
    text: str,
    font: ImageFont.FreeTypeFont | ImageFont.ImageFont,
    *,
    at: tuple[float, float],
    colour: tuple[int, int, int],
    size: tuple[int, int],
) -> None:
    """Writes text on a coloured background above a point, or below if there is no room, inside the image."""
    left, top, right, bottom = draw.textbbox((0, 0), text, font=font)
    width, height = round(right - left) + 2 * _MARGIN, round(bottom - top) + 2 * _MARGIN
    x = max(0, min(round(at[0]), size[0] - width))
    y = round(at[1]) - height if at[1] >= height else round(at[1])
    draw.rectangle((x, y, x + width - 1, y + height - 1), fill=colour)
    dark = 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2] < 128
    draw.text((x + _MARGIN - left, y + _MARGIN - top), text, fill="white" if dark else "black", font=font)
