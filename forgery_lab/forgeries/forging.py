"""Home-made forgeries: splices, copy-moves and removals, each with its mask and its history.

`forge` makes one forgery from pixels; `forgery_lab.examples.pairs` makes pairs of a photograph and
a forgery to learn from, `casia_folder` CASIA-style data sets. The recipe (object-like masks of
1 to 25 % of the area, a donor with a JPEG history of its own, geometry, colour, blur, feathered or
blurred seams, a save by the editor) follows the trial described in the project's detector notes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from forgery_lab.errors import DataError
from forgery_lab.forgeries.blending import paste
from forgery_lab.forgeries.cutting import (
    COPY_SHAPES,
    CRUDE_SHAPES,
    SPLICE_SHAPES,
    Part,
    box_around,
    cut,
    drawn_area,
)
from forgery_lab.forgeries.fitting import matched_to_host, transformed
from forgery_lab.forgeries.outlines import AREAS
from forgery_lab.forgeries.pictures import Mask, Operation, Pixels, Save, check_picture
from forgery_lab.forgeries.placing import (
    best_cover,
    best_place,
    distance_in_sizes,
    dullness,
    mismatch_with,
)

KINDS = ("splice", "copy-move", "removal")


@dataclass(frozen=True)
class ForgeryRecord:
    """How a picture was forged.

    Attributes:
        kind: one of `KINDS`.
        donor: index of the picture that a splice's part is from; None for other kinds.
        area: share of the picture that was replaced.
        operations: in order, each ready for JSON.
    """

    kind: str
    donor: int | None
    area: float
    operations: list[Operation]


@dataclass(frozen=True)
class Forgery:
    """A forged picture, where it was forged, and how.

    Attributes:
        pixels: uint8[H, W, 3], as the editor saved and re-opened it.
        mask: bool[H, W], true where pixels were replaced.
        record: how it was made.
    """

    pixels: Pixels
    mask: Mask
    record: ForgeryRecord


def forge(
    host: Pixels,
    donors: Sequence[Pixels],
    kind: str,
    rng: np.random.Generator,
    editor_save: Save | None = None,
    crude: bool = False,
) -> Forgery:
    """Return a forgery of `host`, of the same size.

    Args:
        host: uint8[H, W, 3], at least 64 pixels on each side.
        donors: Pictures to take a part from; one is drawn. Only a splice needs any.
        kind: `splice`, `copy-move` (a part of the host again elsewhere) or `removal`
            (an object of the host covered by a neighbouring part of the host).
        rng: The only source of randomness: the same state gives the same forgery.
        editor_save: How the editor saved the result; drawn where None.
        crude: Paste with hard edges and mostly as it is, anywhere: no eye is fooled, but many a
            forger works so. A removal knows no crude way.

    Raises:
        DataError: unknown kind, a picture of wrong type or too small, a splice without a donor.
    """
    check_picture(host, "host")
    if kind not in KINDS:
        raise DataError(f"kind: got {kind!r}; allowed: {', '.join(KINDS)}")
    if kind == "splice" and not donors:
        raise DataError("donors: a splice needs at least one donor, got none")
    operations: list[Operation] = []
    donor = None
    if kind == "splice" and crude:
        donor = int(rng.integers(len(donors)))
        forged, mask = _crude(host, _with_history(donors[donor], rng, operations), rng, operations)
    elif kind == "copy-move" and crude:
        forged, mask = _crude(host, host, rng, operations)
    elif kind == "splice":
        forged, mask, donor = _splice(host, donors, rng, operations)
    elif kind == "copy-move":
        forged, mask = _copy_move(host, rng, operations)
    else:
        forged, mask = _removal(host, rng, operations)
    save = editor_save or Save.drawn(rng)
    operations.append(save.operation("editor_save"))
    record = ForgeryRecord(kind, donor, round(float(mask.mean()), 5), operations)
    return Forgery(save.apply(forged), mask, record)


def drawn_kind(rng: np.random.Generator, with_donors: bool = True) -> str:
    """Return one of `KINDS`: half splices where there are donors, the rest mostly copy-moves."""
    odds = [0.5, 0.35, 0.15] if with_donors else [0.0, 0.7, 0.3]
    return str(rng.choice(KINDS, p=odds))


def _splice(
    host: Pixels,
    donors: Sequence[Pixels],
    rng: np.random.Generator,
    operations: list[Operation],
) -> tuple[Pixels, Mask, int]:
    """Of four parts, cut from drawn donors, the one whose surroundings look more like the host."""
    best: tuple[float, int, Part, list[Operation]] | None = None
    for _ in range(4):
        cutting: list[Operation] = []
        index = int(rng.integers(len(donors)))
        check_picture(donors[index], f"donors[{index}]")
        part = cut(
            donors[index],
            drawn_area(rng, float(rng.choice([0.12, AREAS[1]]))),
            SPLICE_SHAPES,
            rng,
            cutting,
        )
        cost = mismatch_with(host, part, rng) + dullness(part)
        if best is None or cost < best[0]:
            best = cost, index, part, cutting
    assert best is not None  # noqa: S101
    _, index, part, cutting = best
    donor = donors[index]
    if rng.random() < 0.8:
        history = Save.drawn(rng, (55, 95), lossless=0.0)
        box = box_around(part.corner, part.alpha.shape, donor.shape, grow=0)
        part = replace(part, pixels=history.apply(donor)[box].astype(np.float32))
        operations.append(history.operation("donor_save"))
    operations += cutting
    enlargement = float(np.sqrt(host[..., 0].size / donor[..., 0].size))
    part = transformed(part, host, rng, operations, enlargement)
    corner = best_place(host, part, rng, avoid=None)
    part = matched_to_host(part, host, corner, rng, operations)
    forged, mask = paste(host, part, corner, rng, operations)
    return forged, mask, index


def _copy_move(
    host: Pixels, rng: np.random.Generator, operations: list[Operation]
) -> tuple[Pixels, Mask]:
    part = cut(host, drawn_area(rng, 0.14), COPY_SHAPES, rng, operations)
    source = part.corner
    if rng.random() < 0.5:
        part = transformed(part, host, rng, operations, 1.0)
    corner = best_place(host, part, rng, avoid=source)
    operations.append({"name": "move", "from": list(source), "to": list(corner)})
    return paste(host, part, corner, rng, operations)


def _removal(
    host: Pixels, rng: np.random.Generator, operations: list[Operation]
) -> tuple[Pixels, Mask]:
    """Of a few objects, the one that its surroundings cover best."""
    best: tuple[float, Part, tuple[int, int], list[Operation]] | None = None
    for _ in range(3):
        cutting: list[Operation] = []
        part = cut(host, drawn_area(rng, 0.1), COPY_SHAPES, rng, cutting, swell=3)
        source, cost = best_cover(host, part, rng)
        if best is None or cost < best[0]:
            best = cost, part, source, cutting
    assert best is not None  # noqa: S101
    _, part, source, cutting = best
    height, width = part.alpha.shape
    cover = host[source[0] : source[0] + height, source[1] : source[1] + width]
    part = replace(part, pixels=cover.astype(np.float32), shape="cover")
    operations += [*cutting, {"name": "cover", "from": list(source), "to": list(part.corner)}]
    return paste(host, part, part.corner, rng, operations)


def _with_history(donor: Pixels, rng: np.random.Generator, operations: list[Operation]) -> Pixels:
    """Return the donor, mostly saved once more before the part is cut out of it."""
    if rng.random() > 0.7:
        return donor
    history = Save.drawn(rng, (55, 97), lossless=0.0)
    operations.append(history.operation("donor_save"))
    return history.apply(donor)


def _crude(
    host: Pixels, lender: Pixels, rng: np.random.Generator, operations: list[Operation]
) -> tuple[Pixels, Mask]:
    """The host with a part of the lender pasted on it, hard edges and all, and the mask of it."""
    part = cut(lender, drawn_area(rng, AREAS[1]), CRUDE_SHAPES, rng, operations)
    if rng.random() < 0.4:
        part = transformed(part, host, rng, operations, 1.0)
    size = [min(a, b - 2) for a, b in zip(part.alpha.shape, host.shape, strict=False)]
    here = np.s_[: size[0], : size[1]]
    inside = part.alpha[here] > min(0.5, float(part.alpha[here].max()) / 2)
    places = [
        [
            int(rng.integers(0, length - side))
            for length, side in zip(host.shape, size, strict=False)
        ]
        for _ in range(8)
    ]
    top, left = max(
        places,
        key=lambda place: distance_in_sizes((place[0], place[1]), part.corner, (size[0], size[1])),
    )
    operations.append({"name": "paste", "to": [top, left]})
    window = np.s_[top : top + size[0], left : left + size[1]]
    forged, mask = host.copy(), np.zeros(host.shape[:2], np.bool_)
    mask[window] = inside
    forged[mask] = np.clip(part.pixels[here][inside] + 0.5, 0, 255).astype(np.uint8)
    return forged, mask
