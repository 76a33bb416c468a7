"""Copied places, drawn as frames to lay over a picture."""

import io
from collections.abc import Sequence

from PIL import Image, ImageDraw

from forgery.evidence.pictures import MAX_SIDE
from forgery_pyfunc.explanation import Box, Copy

TITLE = "Copied places"
CAPTION = "Copied places: what has one letter looks the same."
LETTERS = "ABC"
"""Of the pairs of places, whose two places are numbered."""

Colour = tuple[int, int, int, int]
_COLOURS: tuple[Colour, ...] = ((0, 229, 255, 255), (255, 214, 0, 255), (255, 90, 205, 255))
_STROKE, _LETTERS_HIGH = 4, 34  # pixels
_BLACK: Colour = (0, 0, 0, 255)


def frames(copies: Sequence[Copy], width: int, height: int) -> bytes:
    """Return a transparent PNG, 1280 pixels on its longer side, for a picture of this size.

    The two places of a pair are framed in one colour, with a line between them.
    """
    scale = MAX_SIDE / max(width, height)
    image = Image.new("RGBA", (max(1, round(width * scale)), max(1, round(height * scale))))
    pen = ImageDraw.Draw(image)
    for copy, letter, colour in zip(copies, LETTERS, _COLOURS, strict=False):
        boxes = [_scaled(box, scale) for box in (copy.one, copy.other)]
        _outlined(pen, boxes, colour, _STROKE)
        for number, box in enumerate(boxes, start=1):
            _label(pen, box, f"{letter}{number}", colour, _LETTERS_HIGH)
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def _scaled(box: Box, scale: float) -> tuple[float, float, float, float]:
    left, top, right, bottom = (side * scale for side in (box.left, box.top, box.right, box.bottom))
    return left, top, max(left, right - 1), max(top, bottom - 1)


def _outlined(
    pen: ImageDraw.ImageDraw,
    boxes: Sequence[tuple[float, float, float, float]],
    colour: Colour,
    stroke: int,
) -> None:
    """Draw the frames and a line between their centres, with black on both sides of each."""
    centres = [((left + right) / 2, (top + bottom) / 2) for left, top, right, bottom in boxes]
    for ink, width in ((_BLACK, stroke + 2), (colour, stroke)):
        pen.line(centres, ink, width)
        for box in boxes:
            pen.rectangle(box, outline=ink, width=width)


def _label(
    pen: ImageDraw.ImageDraw,
    box: tuple[float, float, float, float],
    text: str,
    colour: Colour,
    size: int,
) -> None:
    place = box[0] + 4, box[1] + 4
    left, top, right, bottom = pen.textbbox(place, text, font_size=size)
    pen.rectangle((left - 2, top - 2, right + 2, bottom + 2), _BLACK)
    pen.text(place, text, colour, font_size=size)
