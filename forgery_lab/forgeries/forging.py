"""Home-made forgeries: splices, copy-moves and removals, each with its mask and its history.

`forge` makes one forgery from pixels; `forgery_lab.examples.pairs` makes pairs of a photograph and
a forgery to learn from, `casia_folder` CASIA-style data sets. The recipe (object-like masks of
1 to 25 % of the area, a donor with a JPEG history of its own, geometry, colour, blur, feathered or
blurred seams, a save by the editor) follows the trial described in the project's detector notes;
blending over a membrane follows Farbman et al., "Convolution Pyramids", SIGGRAPH Asia 2011.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from forgery_lab.errors import DataError
from forgery_lab.forgeries.outlines import AREAS, box_of, outline
from forgery_pyfunc.imaging.jpeg_encoder import encode

Pixels = NDArray[np.uint8]
Mask = NDArray[np.bool_]
Floats = NDArray[np.float32]
Operation = dict[str, Any]

KINDS = ("splice", "copy-move", "removal")
SMALLEST_SIDE = 64
_CONTEXT = 4
_FREE_FORM_COST = 12.0
"""How much better its surroundings must match before a free form is preferred to an object."""
_BLENDS = {True: [0.6, 0.25, 0.15], False: [0.06, 0.22, 0.72]}
"""How often `edge`, `feather` and `membrane` join objects and other parts."""
_SPLICE_SHAPES = {"object": 0.66, "blob": 0.22, "polygon": 0.07, "ellipse": 0.05}
_COPY_SHAPES = {"object": 0.6, "blob": 0.2, "polygon": 0.12, "ellipse": 0.08}
_CRUDE_SHAPES = {"object": 0.5, "blob": 0.15, "polygon": 0.2, "ellipse": 0.15}


@dataclass(frozen=True)
class Forgery:
    """A forged picture, where it was forged, and how.

    Attributes:
        pixels: uint8[H, W, 3], as the editor saved and re-opened it.
        mask: bool[H, W], true where pixels were replaced.
        record: JSON-ready: `kind`, `donor` (index or None), `area`, `operations` in order.
    """

    pixels: Pixels
    mask: Mask
    record: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Save:
    """One save to a file and the opening of it: JPEG at `quality`, or lossless if None."""

    quality: int | None
    subsampling: str = "4:2:0"

    @classmethod
    def drawn(
        cls, rng: np.random.Generator, qualities: tuple[int, int] = (80, 98), lossless: float = 0.25
    ) -> Save:
        """A random save: lossless with the given probability, else JPEG in `qualities`."""
        subsampling = "4:2:0" if rng.random() < 0.6 else "4:4:4"
        quality = int(rng.integers(qualities[0], qualities[1] + 1))
        return cls(None if rng.random() < lossless else quality, subsampling)

    def apply(self, pixels: Pixels) -> Pixels:
        """The pixels after this save: uint8[H, W, 3] to uint8[H, W, 3]."""
        if self.quality is None:
            return pixels
        data = encode(pixels, quality=self.quality, subsampling=self.subsampling)
        with Image.open(io.BytesIO(data)) as image:
            return np.asarray(image.convert("RGB"))

    def operation(self, name: str) -> Operation:
        """This save as an entry of a record."""
        return {"name": name, "quality": self.quality, "subsampling": self.subsampling}


def forge(
    host: Pixels,
    donors: Sequence[Pixels],
    kind: str,
    rng: np.random.Generator,
    editor_save: Save | None = None,
    crude: bool = False,
) -> Forgery:
    """A forgery of `host`, of the same size.

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
    _check_picture(host, "host")
    if kind not in KINDS:
        raise DataError(f"kind: got {kind!r}, allowed are {', '.join(KINDS)}")
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
    record = {
        "kind": kind,
        "donor": donor,
        "area": round(float(mask.mean()), 5),
        "operations": operations,
    }
    return Forgery(save.apply(forged), mask, record)


def drawn_kind(rng: np.random.Generator, with_donors: bool = True) -> str:
    """One of `KINDS`: half splices where there are donors, the rest mostly copy-moves."""
    odds = [0.5, 0.35, 0.15] if with_donors else [0.0, 0.7, 0.3]
    return str(rng.choice(KINDS, p=odds))


def sized(
    photo: Pixels, rng: np.random.Generator, sides: tuple[int, int]
) -> tuple[Pixels, list[Operation]]:
    """The photograph with its longer side within `sides`, and what was done to it.

    A large one is reduced (Lanczos) or, three times in ten, cropped after a lesser reduction;
    one within the range is left as it is half the time; a small one always.

    Raises:
        DataError: `sides` is not a range of at least 64 pixels.
    """
    if not SMALLEST_SIDE <= sides[0] <= sides[1]:
        raise DataError(f"sides: got {sides}, allowed are two sides of 64 or more, in order")
    height, width = photo.shape[:2]
    longest = max(height, width)
    if longest <= sides[0] or (longest <= sides[1] and rng.random() < 0.5):
        return photo, []
    target = float(np.exp(rng.uniform(np.log(sides[0]), np.log(min(sides[1], longest)))))
    reduced = target
    if rng.random() < 0.3:
        reduced = float(np.exp(rng.uniform(np.log(target), np.log(min(longest, 2.5 * target)))))
    scale = reduced / longest
    size = (max(SMALLEST_SIDE, round(width * scale)), max(SMALLEST_SIDE, round(height * scale)))
    image = Image.fromarray(photo).resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)
    operations: list[Operation] = [{"name": "reduce", "size": list(size)}]
    if reduced > target:
        share = target / reduced
        wide, tall = (max(SMALLEST_SIDE, round(side * share)) for side in size)
        left, top = (
            int(rng.integers(0, a - b + 1)) for a, b in zip(size, (wide, tall), strict=True)
        )
        image = image.crop((left, top, left + wide, top + tall))
        operations.append({"name": "crop", "box": [left, top, left + wide, top + tall]})
    return np.asarray(image), operations


def _check_picture(pixels: Pixels, name: str) -> None:
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3:
        raise DataError(
            f"{name}: got {pixels.dtype}{list(pixels.shape)}, a picture must be uint8[H, W, 3]"
        )
    if min(pixels.shape[:2]) < SMALLEST_SIDE:
        raise DataError(
            f"{name}: got {pixels.shape[1]}x{pixels.shape[0]} pixels, "
            f"each side must have at least {SMALLEST_SIDE}"
        )


# The three kinds ------------------------------------------------------------------------------


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
        _check_picture(donors[index], f"donors[{index}]")
        part = _cut(
            donors[index],
            _drawn_area(rng, float(rng.choice([0.12, AREAS[1]]))),
            _SPLICE_SHAPES,
            rng,
            cutting,
        )
        cost = _strangeness(host, part, rng) + _dullness(part)
        if best is None or cost < best[0]:
            best = cost, index, part, cutting
    assert best is not None  # noqa: S101
    _, index, part, cutting = best
    donor = donors[index]
    if rng.random() < 0.8:
        history = Save.drawn(rng, (55, 95), lossless=0.0)
        box = _box_around(part.corner, part.alpha.shape, donor.shape, grow=0)
        part = replace(part, pixels=history.apply(donor)[box].astype(np.float32))
        operations.append(history.operation("donor_save"))
    operations += cutting
    enlargement = float(np.sqrt(host[..., 0].size / donor[..., 0].size))
    part = _transformed(part, host, rng, operations, enlargement)
    corner = _place(host, part, rng, avoid=None)
    part = _matched_to_host(part, host, corner, rng, operations)
    forged, mask = _paste(host, part, corner, rng, operations)
    return forged, mask, index


def _copy_move(
    host: Pixels, rng: np.random.Generator, operations: list[Operation]
) -> tuple[Pixels, Mask]:
    part = _cut(host, _drawn_area(rng, 0.14), _COPY_SHAPES, rng, operations)
    source = part.corner
    if rng.random() < 0.5:
        part = _transformed(part, host, rng, operations, 1.0)
    corner = _place(host, part, rng, avoid=source)
    operations.append({"name": "move", "from": list(source), "to": list(corner)})
    return _paste(host, part, corner, rng, operations)


def _removal(
    host: Pixels, rng: np.random.Generator, operations: list[Operation]
) -> tuple[Pixels, Mask]:
    """Of a few objects, the one that its surroundings cover best."""
    best: tuple[float, Part, tuple[int, int], list[Operation]] | None = None
    for _ in range(3):
        cutting: list[Operation] = []
        part = _cut(host, _drawn_area(rng, 0.1), _COPY_SHAPES, rng, cutting, swell=3)
        source, cost = _best_cover(host, part, rng)
        if best is None or cost < best[0]:
            best = cost, part, source, cutting
    assert best is not None  # noqa: S101
    _, part, source, cutting = best
    height, width = part.alpha.shape
    cover = host[source[0] : source[0] + height, source[1] : source[1] + width]
    part = replace(part, pixels=cover.astype(np.float32), shape="cover")
    operations += [*cutting, {"name": "cover", "from": list(source), "to": list(part.corner)}]
    return _paste(host, part, part.corner, rng, operations)


def _with_history(donor: Pixels, rng: np.random.Generator, operations: list[Operation]) -> Pixels:
    """The donor, mostly saved once more before the part is cut out of it."""
    if rng.random() > 0.7:
        return donor
    history = Save.drawn(rng, (55, 97), lossless=0.0)
    operations.append(history.operation("donor_save"))
    return history.apply(donor)


def _crude(
    host: Pixels, lender: Pixels, rng: np.random.Generator, operations: list[Operation]
) -> tuple[Pixels, Mask]:
    """The host with a part of the lender pasted on it, hard edges and all, and the mask of it."""
    part = _cut(lender, _drawn_area(rng, AREAS[1]), _CRUDE_SHAPES, rng, operations)
    if rng.random() < 0.4:
        part = _transformed(part, host, rng, operations, 1.0)
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
        places, key=lambda place: _apart((place[0], place[1]), part.corner, (size[0], size[1]))
    )
    operations.append({"name": "paste", "to": [top, left]})
    window = np.s_[top : top + size[0], left : left + size[1]]
    forged, mask = host.copy(), np.zeros(host.shape[:2], np.bool_)
    mask[window] = inside
    forged[mask] = np.clip(part.pixels[here][inside] + 0.5, 0, 255).astype(np.uint8)
    return forged, mask


def _drawn_area(rng: np.random.Generator, largest: float) -> float:
    return float(np.exp(rng.uniform(np.log(AREAS[0] * 1.3), np.log(largest))))


# Cutting out ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Part:
    """A part of a picture and a little around it.

    float32[h, w, 3] pixels, float32[h, w] coverage in [0, 1], its place (y, x) in its picture,
    what drew its outline, and whether the picture's lower edge cuts it off.
    """

    pixels: Floats
    alpha: Floats
    corner: tuple[int, int]
    shape: str
    grounded: bool


def _cut(
    picture: Pixels,
    area: float,
    odds: dict[str, float],
    rng: np.random.Generator,
    operations: list[Operation],
    swell: int = 0,
) -> Part:
    """A part of about `area` (a fraction of the picture) with a natural or a drawn outline."""
    shape = str(rng.choice(list(odds), p=list(odds.values())))
    coverage = outline(picture, shape, area, rng)
    if swell:
        coverage = ndimage.grey_dilation(coverage, size=(2 * swell + 1, 2 * swell + 1))
    box = box_of(coverage > 0.02, coverage.shape, grow=_CONTEXT)
    operations.append(
        {
            "name": "cut",
            "shape": shape,
            "box": [box[1].start, box[0].start, box[1].stop, box[0].stop],
            "area": round(float((coverage > 0.5).mean()), 5),
        }
    )
    return Part(
        picture[box].astype(np.float32),
        coverage[box],
        (box[0].start, box[1].start),
        shape,
        bool(coverage[-1].max() > 0.5),
    )


# Fitting in -----------------------------------------------------------------------------------


def _transformed(
    part: Part,
    host: Pixels,
    rng: np.random.Generator,
    operations: list[Operation],
    natural_scale: float,
) -> Part:
    """Scaled, turned, mirrored and sometimes sheared, and made to fit into the host."""
    height, width = part.alpha.shape
    room = host.shape[0] * host.shape[1] / max(1.0, float(part.alpha.sum()))
    largest = min(0.8 * host.shape[0] / height, 0.8 * host.shape[1] / width)
    largest = min(largest, float(np.sqrt(AREAS[1] * room)))
    smallest = max(float(np.sqrt(AREAS[0] * room)), 12.0 / min(height, width))
    scale = natural_scale * float(np.exp(rng.normal(0, 0.18)))
    scale = float(np.clip(scale, min(smallest, largest), largest))
    if abs(scale - 1) < 0.06 and smallest <= 1 <= largest:
        scale = 1.0
    angle = float(rng.normal(0, 9)) if rng.random() < 0.45 else 0.0
    shear = float(rng.normal(0, 0.08)) if rng.random() < 0.15 else 0.0
    mirror = bool(rng.random() < 0.4)
    pixels, alpha = part.pixels, part.alpha
    if mirror:
        pixels, alpha = pixels[:, ::-1], alpha[:, ::-1]
        operations.append({"name": "mirror"})
    if scale != 1.0:
        size = (max(4, round(width * scale)), max(4, round(height * scale)))
        pixels, alpha = _resized(pixels, size), _resized(alpha, size)
        operations.append({"name": "scale", "factor": round(scale, 4)})
    if angle or shear:
        pixels, alpha = _turned(pixels, alpha, angle, shear)
        operations.append({"name": "turn", "degrees": round(angle, 2), "shear": round(shear, 3)})
    limit_y, limit_x = host.shape[0] - 2, host.shape[1] - 2
    alpha = alpha[:limit_y, :limit_x].clip(0, 1)
    return replace(part, pixels=pixels[:limit_y, :limit_x], alpha=alpha)


def _resized(array: Floats, size: tuple[int, int]) -> Floats:
    """Lanczos with antialiasing, per channel in float32."""
    planes = array[..., None] if array.ndim == 2 else array
    resized = [
        np.asarray(
            Image.fromarray(np.ascontiguousarray(planes[..., c])).resize(
                size, Image.Resampling.LANCZOS
            )
        )
        for c in range(planes.shape[2])
    ]
    return resized[0] if array.ndim == 2 else np.stack(resized, axis=-1)


def _turned(pixels: Floats, alpha: Floats, angle: float, shear: float) -> tuple[Floats, Floats]:
    """Rotation about the centre in degrees and a horizontal shear, bicubic."""
    height, width = alpha.shape
    turn = np.deg2rad(angle)
    grown_x = int(
        np.ceil(abs(width * np.cos(turn)) + abs(height * np.sin(turn)) + abs(shear) * height)
    )
    grown_y = int(np.ceil(abs(height * np.cos(turn)) + abs(width * np.sin(turn))))
    forward = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]) @ np.array(
        [[1.0, shear], [0.0, 1.0]]
    )
    back = np.linalg.inv(forward)
    centre = np.array([width / 2, height / 2]) - back @ np.array([grown_x / 2, grown_y / 2])
    data = (back[0, 0], back[0, 1], centre[0], back[1, 0], back[1, 1], centre[1])

    def warp(plane: Floats) -> Floats:
        image = Image.fromarray(np.ascontiguousarray(plane))
        return np.asarray(
            image.transform(
                (grown_x, grown_y), Image.Transform.AFFINE, data, Image.Resampling.BICUBIC
            )
        )

    return np.stack([warp(pixels[..., c]) for c in range(3)], axis=-1), warp(alpha).clip(0, 1)


def _place(
    host: Pixels, part: Part, rng: np.random.Generator, avoid: tuple[int, int] | None
) -> tuple[int, int]:
    """Where (y, x) the part's old surroundings differ least from the host's, of drawn places.

    A part stays near its own height in the picture, as things stand where they stand; one that
    was cut off below stays on the lower edge.
    """
    height, width = part.alpha.shape
    free = host.shape[0] - height, host.shape[1] - width
    rows, columns = _ring(part.alpha, 120)
    colours = part.pixels[rows, columns]
    best, best_cost = (free[0] // 2, free[1] // 2), np.inf
    for y, x in _drawn_places(part.corner[0], host.shape[0], free, 40, rng):
        y = free[0] if part.grounded else y
        cost = float(np.abs(host[rows + y, columns + x] - colours).mean())
        if avoid is not None:
            cost += 200.0 * max(0.0, 0.9 - _apart((y, x), avoid, (height, width)))
        if cost < best_cost:
            best, best_cost = (y, x), cost
    return best


def _best_cover(
    host: Pixels, part: Part, rng: np.random.Generator
) -> tuple[tuple[int, int], float]:
    """The place (y, x) whose pixels join best around the part's own place, and the mismatch."""
    height, width = part.alpha.shape
    free = host.shape[0] - height, host.shape[1] - width
    rows, columns = _ring(part.alpha, 160)
    here = host[rows + part.corner[0], columns + part.corner[1]].astype(np.float32)
    best, best_cost = (0, 0), np.inf
    for y, x in _drawn_places(part.corner[0], host.shape[0], free, 60, rng):
        cost = float(np.abs(host[rows + y, columns + x] - here).mean())
        cost += 150.0 * max(0.0, 0.8 - _apart((y, x), part.corner, (height, width)))
        if cost < best_cost:
            best, best_cost = (y, x), cost
    return best, best_cost


def _strangeness(host: Pixels, part: Part, rng: np.random.Generator) -> float:
    """How far the colours around the part are from the nearest of some places of the host."""
    rows, columns = _ring(part.alpha, 80)
    around = part.pixels[rows, columns]
    places = rng.random((48, 2))
    y = (places[:, 0] * (host.shape[0] - 8)).astype(int)
    x = (places[:, 1] * (host.shape[1] - 8)).astype(int)
    patches = np.stack([host[y + i, x + j] for i in (0, 3, 7) for j in (0, 3, 7)], axis=1)
    patches = patches.astype(np.float32)
    colour = np.abs(patches.mean(axis=1) - around.mean(axis=0)).mean(axis=1)
    texture = np.abs(patches.std(axis=1).mean(axis=1) - around.std(axis=0).mean())
    return float((colour + 0.5 * texture).min())


def _dullness(part: Part) -> float:
    """What speaks against a part that is no object, or all one colour."""
    flat = float(part.pixels[part.alpha > 0.5].std()) < 8.0
    return _FREE_FORM_COST * (part.shape != "object") + 40.0 * flat


def _drawn_places(
    near: int, height: int, free: tuple[int, int], count: int, rng: np.random.Generator
) -> list[tuple[int, int]]:
    """Places (y, x) about as high in a picture of `height` as `near`, anywhere across it."""
    y = np.clip(near + rng.normal(0, 0.2, count) * height, 0, max(0, free[0])).astype(int)
    x = rng.integers(0, max(0, free[1]) + 1, count)
    return list(zip(y.tolist(), x.tolist(), strict=True))


def _apart(a: tuple[int, int], b: tuple[int, int], size: tuple[int, int]) -> float:
    """How far two boxes of one size lie apart: 0 the same place, 1 side by side."""
    return max(abs(a[0] - b[0]) / size[0], abs(a[1] - b[1]) / size[1])


def _ring(alpha: Floats, most: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Indices of at most about `most` pixels just outside the outline, within the part's box."""
    inside = alpha > 0.1
    border = ndimage.binary_dilation(inside, iterations=3) & ~inside
    rows, columns = np.nonzero(border if border.any() else np.ones_like(inside))
    step = max(1, len(rows) // most)
    return rows[::step], columns[::step]


def _matched_to_host(
    part: Part,
    host: Pixels,
    corner: tuple[int, int],
    rng: np.random.Generator,
    operations: list[Operation],
) -> Part:
    """Brightness, contrast and colour drawn towards the host's around there; softened to it."""
    height, width = part.alpha.shape
    box = _box_around(corner, (height, width), host.shape[:2], grow=max(height, width) // 2)
    around = host[box][::3, ::3].reshape(-1, 3).astype(np.float32)
    inside = part.pixels[::2, ::2][part.alpha[::2, ::2] > 0.5]
    inside = inside if len(inside) else part.pixels.reshape(-1, 3)
    strength = float(rng.uniform(0.15, 0.75))
    gain = (around.std(axis=0) + 8) / (inside.std(axis=0) + 8)
    gain = np.clip(gain, 0.75, 1.3) ** (0.5 * strength)
    target = inside.mean(axis=0) * (1 - 0.6 * strength) + around.mean(axis=0) * 0.6 * strength
    pixels = (part.pixels - inside.mean(axis=0)) * gain + target
    operations.append(
        {
            "name": "match_colour",
            "strength": round(strength, 3),
            "gain": [round(float(g), 3) for g in gain],
            "shift": [round(float(s), 2) for s in target - inside.mean(axis=0)],
        }
    )
    sigma = _softening(part.pixels, part.alpha > 0.5, host[box])
    if sigma > 0.25 and rng.random() < 0.7:
        pixels = ndimage.gaussian_filter(pixels, (sigma, sigma, 0))
        operations.append({"name": "soften", "sigma": round(sigma, 3)})
    return replace(part, pixels=pixels)


def _softening(pixels: Floats, inside: Mask, around: Pixels) -> float:
    """The blur, in pixels, that brings the part's fine detail near that of the surroundings."""
    fine = np.abs(np.diff(pixels[..., 1], axis=1))[inside[:, 1:]]
    coarse = np.abs(np.diff(around[..., 1].astype(np.float32), axis=1))
    ratio = float((fine.mean() if fine.size else 1.0) / (coarse.mean() + 0.5))
    return float(np.clip(0.45 * (ratio - 1.2), 0.0, 1.1))


# Pasting --------------------------------------------------------------------------------------


def _paste(
    host: Pixels,
    part: Part,
    corner: tuple[int, int],
    rng: np.random.Generator,
    operations: list[Operation],
) -> tuple[Pixels, Mask]:
    """The host with the part on it, by one of three blends, and the mask of what was replaced."""
    height, width = part.alpha.shape
    margin = 12
    window = _box_around(corner, (height, width), host.shape[:2], grow=margin)
    below = host[window].astype(np.float32)
    top, left = corner[0] - window[0].start, corner[1] - window[1].start
    place = (slice(top, top + height), slice(left, left + width))
    alpha = np.zeros(below.shape[:2], np.float32)
    alpha[place] = part.alpha
    above = below.copy()
    above[place] = part.pixels
    natural = part.shape == "object"
    blend = str(rng.choice(["edge", "feather", "membrane"], p=_BLENDS[natural]))
    sigma = float(rng.uniform(0.5, 0.9) if blend == "edge" else rng.uniform(1.0, 2.5))
    if blend == "membrane":
        above += _membrane(below - above, alpha > 0.5)
        sigma = 0.8
    soft = ndimage.gaussian_filter(alpha, sigma)
    if natural:
        soft = np.clip(soft * 1.25 - 0.25, 0.0, 1.0)
    joined = below + soft[..., None] * (above - below)
    operations.append({"name": "blend", "method": blend, "sigma": round(sigma, 3)})
    if rng.random() < 0.2:
        joined = _blurred_seam(joined, soft, float(rng.uniform(0.6, 1.4)), operations)
    forged = host.copy()
    forged[window] = np.clip(joined + 0.5, 0, 255).astype(np.uint8)
    mask = np.zeros(host.shape[:2], np.bool_)
    mask[window] = soft > 0.5
    if not mask.any():
        mask[window] = soft >= soft.max()
    return forged, mask


def _membrane(difference: Floats, inside: Mask) -> Floats:
    """A smooth float32[h, w, 3] that equals `difference` around `inside`, spread over it.

    Adding it to the pasted part makes it meet its surroundings without a step, as Poisson
    blending does: pull-push over a pyramid of halves.
    """
    known = (~inside).astype(np.float32)
    edge = ndimage.binary_dilation(inside, iterations=3)
    weight = known * edge
    if not weight.any():
        return np.zeros_like(difference)
    return _pull_push(difference * weight[..., None], weight)


def _pull_push(weighted: Floats, weight: Floats) -> Floats:
    height, width = weight.shape
    if min(height, width) <= 2:
        total = weight.sum()
        return np.broadcast_to(
            weighted.sum(axis=(0, 1)) / max(float(total), 1e-6), weighted.shape
        ).astype(np.float32)
    smaller_weight = _halved(weight)
    smaller = _halved(weighted)
    strong = np.minimum(1.0, smaller_weight * 4.0)
    scale = strong / np.maximum(smaller_weight, 1e-6)
    filled = _pull_push(smaller * scale[..., None], strong)
    size = (width, height)
    coarse = np.stack(
        [
            np.asarray(
                Image.fromarray(np.ascontiguousarray(filled[..., c])).resize(
                    size, Image.Resampling.BILINEAR
                )
            )
            for c in range(filled.shape[2])
        ],
        axis=-1,
    )
    own = np.minimum(weight, 1.0)[..., None]
    known = weighted / np.maximum(weight, 1e-6)[..., None]
    return np.asarray(known * own + coarse * (1.0 - own), np.float32)


def _halved(array: Floats) -> Floats:
    padded = np.pad(
        array, [(0, array.shape[0] % 2), (0, array.shape[1] % 2)] + [(0, 0)] * (array.ndim - 2)
    )
    return 0.25 * (padded[::2, ::2] + padded[1::2, ::2] + padded[::2, 1::2] + padded[1::2, 1::2])


def _blurred_seam(
    joined: Floats, soft: Floats, sigma: float, operations: list[Operation]
) -> Floats:
    seam = ndimage.gaussian_filter(4.0 * soft * (1.0 - soft), 1.5)
    seam = np.clip(seam * 2.0, 0.0, 1.0)[..., None]
    operations.append({"name": "blur_seam", "sigma": round(sigma, 3)})
    return joined + seam * (ndimage.gaussian_filter(joined, (sigma, sigma, 0)) - joined)


def _box_around(
    corner: tuple[int, int], size: tuple[int, int], limits: tuple[int, ...], grow: int
) -> tuple[slice, slice]:
    return (
        slice(max(0, corner[0] - grow), min(limits[0], corner[0] + size[0] + grow)),
        slice(max(0, corner[1] - grow), min(limits[1], corner[1] + size[1] + grow)),
    )
