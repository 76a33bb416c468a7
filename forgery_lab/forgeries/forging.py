"""Home-made forgeries of five kinds, each with its mask and its history.

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
from forgery_lab.forgeries.blending import cloned, paste
from forgery_lab.forgeries.cutting import (
    COPY_SHAPES,
    CRUDE_SHAPES,
    SPLICE_SHAPES,
    Part,
    box_around,
    cut,
    drawn_area,
)
from forgery_lab.forgeries.fitting import Geometry, matched_to_host, transformed
from forgery_lab.forgeries.inpainting import METHODS, inpainted
from forgery_lab.forgeries.local_retouching import retouched
from forgery_lab.forgeries.outlines import AREAS
from forgery_lab.forgeries.pictures import Mask, Operation, Pixels, Save, check_picture
from forgery_lab.forgeries.placing import (
    best_cover,
    best_place,
    distance_in_sizes,
    dullness,
    mismatch_with,
)

ODDS = {"splice": 0.38, "copy-move": 0.3, "removal": 0.12, "inpainting": 0.1, "retouching": 0.1}
"""The kinds of forgery, and how often `drawn_kind` draws each."""

KINDS = tuple(ODDS)

SEAMLESS = 0.25
"""Share of splices that are cloned seamlessly."""

_TRIES = 6
"""Forgeries made at most until one of them changes the picture visibly."""
_LEAST_CHANGE = 3.0
"""Grey levels by which a forgery changes what it replaces, on average, at least."""


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
        kind: `splice`, `copy-move` (a part of the host again elsewhere), `removal` (an object of
            the host covered by a neighbouring part of the host), `inpainting` (an object's place
            filled from its surroundings) or `retouching` (a part blurred, stamped, sharpened, or
            changed in colour or light).
        rng: The only source of randomness: the same state gives the same forgery.
        editor_save: How the editor saved the result; drawn where None.
        crude: Paste with hard edges and mostly as it is, anywhere: no eye is fooled, but many a
            forger works so. Only splices and copy-moves know a crude way.

    Raises:
        DataError: unknown kind, a picture of wrong type or too small, a splice without a donor.
    """
    check_picture(host, "host")
    if kind not in KINDS:
        raise DataError(f"kind: got {kind!r}; allowed: {', '.join(KINDS)}")
    if kind == "splice" and not donors:
        raise DataError("donors: a splice needs at least one donor, got none")
    for _ in range(_TRIES):
        operations: list[Operation] = []
        forged, mask, donor = _forged(host, donors, kind, rng, operations, crude)
        if _is_visible(host, forged, mask):
            break
    save = editor_save or Save.drawn(rng)
    operations.append(save.operation("editor_save"))
    record = ForgeryRecord(kind, donor, round(float(mask.mean()), 5), operations)
    return Forgery(save.apply(forged), mask, record)


def drawn_kind(
    rng: np.random.Generator, with_donors: bool = True, kinds: Sequence[str] = KINDS
) -> str:
    """Return one of `kinds` with `ODDS` among them; no splice where there are no donors.

    Raises:
        DataError: `kinds` names an unknown one, none, or only splices where there are no donors.
    """
    check_kinds(kinds)
    possible = [kind for kind in KINDS if kind in kinds and (with_donors or kind != "splice")]
    if not possible:
        raise DataError("kinds: got splice alone, which needs a second picture as a donor")
    odds = np.array([ODDS[kind] for kind in possible])
    return str(rng.choice(possible, p=odds / odds.sum()))


def check_kinds(kinds: Sequence[str]) -> None:
    """Raise `DataError` where there are no kinds, or one is not among `KINDS`."""
    unknown = [kind for kind in kinds if kind not in KINDS]
    if unknown or not kinds:
        got = repr(unknown[0]) if unknown else "none"
        raise DataError(f"kinds: got {got}; allowed: {', '.join(KINDS)}")


def _forged(
    host: Pixels,
    donors: Sequence[Pixels],
    kind: str,
    rng: np.random.Generator,
    operations: list[Operation],
    crude: bool,
) -> tuple[Pixels, Mask, int | None]:
    """The forged host, the mask, and the index of the donor of a splice."""
    if kind == "splice":
        seamless = bool(rng.random() < SEAMLESS)
        if seamless or not crude:
            return _splice(host, donors, rng, operations, seamless)
        donor = int(rng.integers(len(donors)))
        lender = _with_history(donors[donor], rng, operations)
        geometry = Geometry.slight(rng) if rng.random() < 0.4 else Geometry()
        return *_crude(host, lender, geometry, rng, operations), donor
    if kind == "copy-move" and crude:
        return *_crude(host, host, _moved_geometry(rng), rng, operations), None
    if kind == "copy-move":
        return *_copy_move(host, rng, operations), None
    if kind == "removal":
        return *_removal(host, rng, operations), None
    if kind == "inpainting":
        return *_inpainting(host, rng, operations), None
    return *retouched(host, rng, operations), None


def _is_visible(host: Pixels, forged: Pixels, mask: Mask) -> bool:
    """Return whether pixels changed where the mask says, by some grey levels on average."""
    if not mask.any():
        return False
    change = np.abs(forged[mask].astype(np.int16) - host[mask])
    return bool(change.mean() >= _LEAST_CHANGE)


def _splice(
    host: Pixels,
    donors: Sequence[Pixels],
    rng: np.random.Generator,
    operations: list[Operation],
    seamless: bool,
) -> tuple[Pixels, Mask, int]:
    """Of four parts, cut from drawn donors, the one whose surroundings look more like the host."""
    swell = int(rng.integers(1, 9)) if seamless else 0
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
            swell,
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
    part = transformed(part, host, Geometry.slight(rng, enlargement), operations)
    corner = best_place(host, part, rng, avoid=None)
    if seamless:
        forged, mask = cloned(host, part, corner, rng, operations)
        return forged, mask, index
    part = matched_to_host(part, host, corner, rng, operations)
    forged, mask = paste(host, part, corner, rng, operations)
    return forged, mask, index


def _copy_move(
    host: Pixels, rng: np.random.Generator, operations: list[Operation]
) -> tuple[Pixels, Mask]:
    part = cut(host, drawn_area(rng, 0.14), COPY_SHAPES, rng, operations)
    source = part.corner
    part = transformed(part, host, _moved_geometry(rng), operations)
    corner = best_place(host, part, rng, avoid=source)
    operations.append({"name": "move", "from": list(source), "to": list(corner)})
    return paste(host, part, corner, rng, operations)


def _moved_geometry(rng: np.random.Generator) -> Geometry:
    """Return how a copy is changed: mostly not at all, else freely or a little."""
    how = rng.random()
    if how < 0.6:
        return Geometry()
    return Geometry.free(rng) if how < 0.8 else Geometry.slight(rng)


def _inpainting(
    host: Pixels, rng: np.random.Generator, operations: list[Operation]
) -> tuple[Pixels, Mask]:
    """A part with a little around it, filled from its surroundings; a smaller one by diffusion."""
    method = str(rng.choice(METHODS, p=[0.35, 0.65]))
    area = drawn_area(rng, 0.04 if method == "diffusion" else 0.1)
    part = cut(host, area, COPY_SHAPES, rng, operations, swell=3)
    hole = np.zeros(host.shape[:2], np.bool_)
    hole[box_around(part.corner, part.alpha.shape, hole.shape, grow=0)] = part.alpha > 0.5
    return inpainted(host, hole, method, rng, operations), hole


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
    host: Pixels,
    lender: Pixels,
    geometry: Geometry,
    rng: np.random.Generator,
    operations: list[Operation],
) -> tuple[Pixels, Mask]:
    """The host with a part of the lender pasted on it, hard edges and all, and the mask of it."""
    part = cut(lender, drawn_area(rng, AREAS[1]), CRUDE_SHAPES, rng, operations)
    part = transformed(part, host, geometry, operations)
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
