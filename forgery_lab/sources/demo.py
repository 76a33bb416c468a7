"""The embedded data set: several hundred CASIA-style images, made in seconds from one seed.

The sources are photographs that come inside packages the project needs anyway, and procedural
scenes. They form families that share no source with any other: a photograph's family is a few
crops of it and one scene, tied together by splices; a scene family is three scenes. So the names
alone tell a source-disjoint split all it needs.

Unlike CASIA, both classes have one history: every picture is saved once by its camera, once by an
editor and once as the published file, with formats and qualities from the same distributions. A
rule that looks at headers or extensions finds nothing here, and that is on purpose.
"""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from PIL import Image

from forgery_lab.errors import DataError
from forgery_lab.files import whole_folder
from forgery_lab.forgeries import scenes
from forgery_lab.forgeries.casia_folder import (
    AuthenticImage,
    ForgedImage,
    publish_authentic,
    publish_forgery,
    write_records,
)
from forgery_lab.forgeries.forging import forge
from forgery_lab.forgeries.pictures import Pixels, Save
from forgery_lab.processes import in_parallel

SMALLEST_COUNT = 12
PHOTOGRAPHS = {
    "skimage/data/chelsea.png": "ani",
    "sklearn/datasets/images/china.jpg": "arc",
    "sklearn/datasets/images/flower.jpg": "pla",
    "skimage/data/coffee.png": "ind",
    "skimage/data/astronaut.png": "cha",
    "skimage/data/motorcycle_left.png": "art",
    "skimage/data/rocket.jpg": "sec",
    "matplotlib/mpl-data/sample_data/grace_hopper.jpg": "cha",
    "skimage/data/hubble_deep_field.jpg": "nat",
    "skimage/data/ihc.png": "txt",
    "skimage/data/grass.png": "txt",
    "skimage/data/gravel.png": "txt",
    "skimage/data/brick.png": "txt",
}
"""Photographs free to use inside scikit-image, scikit-learn and Matplotlib, and their category."""

FIRST_SAVE, PUBLISHED = (60, 90), (85, 97)
"""Qualities of the first save and of the published JPEG. As in CASIA, the first is often the
lower one: a picture comes from the web, is forged, and is saved well. What is saved far worse than
before keeps no trace of its first save, and a forgery in it can be learnt by nobody."""

_TINTS = {"grass": (0.86, 1.0, 0.62), "gravel": (1.0, 0.95, 0.86), "brick": (1.0, 0.82, 0.74)}
_CROPS = 4
_SHORT, _LONG = 256, 384


@dataclass(frozen=True)
class _Source:
    """One authentic image: a category, a running number, and where it comes from."""

    category: str
    number: int
    photograph: str | None

    @property
    def source_id(self) -> str:
        return f"{self.category}{self.number:05d}"


@dataclass(frozen=True)
class _Plan:
    """A family of sources, and the forgeries made of them: (kind, host, donor, number)."""

    index: int
    sources: tuple[_Source, ...]
    forgeries: tuple[tuple[str, int, int, int], ...]


@dataclass
class _Numbers:
    """Running numbers of authentic images per category, and of forgeries, from `first` on."""

    first: int = 0
    authentic: Counter[str] = field(default_factory=Counter)
    forged: int = 10_000

    def source(self, category: str, photograph: str | None = None) -> _Source:
        self.authentic[category] += 1
        return _Source(category, self.first + self.authentic[category], photograph)

    def forgery(self, kind: str, host: int, donor: int) -> tuple[str, int, int, int]:
        self.forged += 1
        return kind, host, donor, self.forged


def write(
    folder: Path,
    seed: int,
    count: int,
    progress: Callable[[int, int], None] | None = None,
    processes: int | None = None,
    scenes_only: bool = False,
    first_number: int = 0,
) -> dict[str, int]:
    """Numbers of what was written: `authentic`, `forged`, `splice`, `copy-move`.

    Writes `Au/`, `Tp/`, `Groundtruth/` and `records.jsonl` (every operation of every image), all
    of it or nothing. The same seed and count give the same bytes.

    Args:
        folder: A folder that does not exist yet or is empty.
        seed: Any non-negative integer.
        count: Number of images, at least 12; about 45 % of them forged.
        progress: Called with (images done, images in all).
        processes: Worker processes; one per core where None.
        scenes_only: Whether to leave the photographs out, which every demo set shares.
        first_number: What running numbers start from, so that two sets share no source id.

    Raises:
        DataError: `count` is too small, `folder` holds something, or a photograph is missing.
    """
    if count < SMALLEST_COUNT:
        raise DataError(f"count: got {count}; allowed: {SMALLEST_COUNT} or more")
    for name in PHOTOGRAPHS:
        _photograph_path(name)
    photographs = [] if scenes_only else list(PHOTOGRAPHS)
    plans = list(_planned(seed, count, photographs, _Numbers(first_number)))
    records: list[AuthenticImage | ForgedImage] = []
    with whole_folder(folder) as partial:
        for part in ("Au", "Tp", "Groundtruth"):
            (partial / part).mkdir()
        tasks = [(partial, seed, plan) for plan in plans]
        for family in in_parallel(_write_family, tasks, processes):
            records += family
            if progress:
                progress(len(records), count)
        write_records(partial / "records.jsonl", records)
    kinds = Counter(record.kind for record in records)
    return {
        "authentic": kinds["authentic"],
        "forged": len(records) - kinds["authentic"],
        "splice": kinds["splice"],
        "copy-move": len(records) - kinds["authentic"] - kinds["splice"],
    }


def _planned(seed: int, count: int, photographs: list[str], numbers: _Numbers) -> Iterator[_Plan]:
    """Families of photographs and of scenes in turn, as many as make `count` images."""
    rng = np.random.default_rng([seed, 1])
    every = max(2, round(count * 0.7 / 5 / len(PHOTOGRAPHS)))
    left, index = count, 0
    while left > 0:
        if index % every == 0 and photographs:
            plan = _photograph_family(index, photographs.pop(0), numbers, rng)
        else:
            plan = _scene_family(index, numbers, rng)
        sources = plan.sources[:left]
        possible = [f for f in plan.forgeries if max(f[1], f[2]) < len(sources)]
        forgeries = tuple(possible[: left - len(sources)])
        yield _Plan(index, sources, forgeries)
        left -= len(sources) + len(forgeries)
        index += 1


def _photograph_family(
    index: int, photograph: str, numbers: _Numbers, rng: np.random.Generator
) -> _Plan:
    """Crops of one photograph, each spliced with the same scene, so that all are one component."""
    category = PHOTOGRAPHS[photograph]
    scene = numbers.source(str(rng.choice(scenes.CATEGORIES)))
    crops = [numbers.source(category, photograph) for _ in range(_CROPS)]
    splices = []
    for crop in range(1, _CROPS + 1):
        host, donor = (0, crop) if crop % 3 == 1 else (crop, 0)
        splices.append(numbers.forgery("splice", host, donor))
    moves = [_move(crop, numbers, rng) for crop in range(1, _CROPS)]
    return _Plan(index, (scene, *crops), (*splices, *moves))


def _scene_family(index: int, numbers: _Numbers, rng: np.random.Generator) -> _Plan:
    categories = [str(category) for category in rng.choice(scenes.CATEGORIES, 3)]
    if rng.random() < 0.5:
        categories[1] = categories[0]
    sources = tuple(numbers.source(category) for category in categories)
    splice = numbers.forgery("splice", 0, 1)
    return _Plan(index, sources, (splice, _move(2 if rng.random() < 0.7 else 0, numbers, rng)))


def _move(host: int, numbers: _Numbers, rng: np.random.Generator) -> tuple[str, int, int, int]:
    return numbers.forgery("removal" if rng.random() < 0.25 else "copy-move", host, host)


def _write_family(task: tuple[Path, int, _Plan]) -> list[AuthenticImage | ForgedImage]:
    folder, seed, plan = task
    rng = np.random.default_rng([seed, 2, plan.index])
    pictures = [_picture(source, rng) for source in plan.sources]
    records: list[AuthenticImage | ForgedImage] = []
    for source, picture in zip(plan.sources, pictures, strict=True):
        image = publish_authentic(folder, picture, source.category, source.number, rng, PUBLISHED)
        records.append(replace(image, photograph=source.photograph))
    for kind, host, donor, number in plan.forgeries:
        forgery = forge(pictures[host], [pictures[donor]], kind, rng)
        ids = plan.sources[host].source_id, plan.sources[donor].source_id
        records.append(publish_forgery(folder, forgery, ids, number, rng, PUBLISHED))
    return records


def _picture(source: _Source, rng: np.random.Generator) -> Pixels:
    """The source as its camera saved it, uint8[256, 384, 3] or upright."""
    upright = rng.random() < 0.25
    height, width = (_LONG, _SHORT) if upright else (_SHORT, _LONG)
    if source.photograph is None:
        pixels = scenes.render(source.category, rng, height, width)
    else:
        pixels = _crop(source.photograph, height, width, rng)
    return Save.drawn(rng, FIRST_SAVE, lossless=0.0).apply(pixels)


def _crop(photograph: str, height: int, width: int, rng: np.random.Generator) -> Pixels:
    """A drawn crop of the photograph, hardly ever enlarged, sometimes mirrored and re-lit."""
    path = _photograph_path(photograph)
    with Image.open(io.BytesIO(path.read_bytes())) as image:
        if min(image.width / width, image.height / height) < 1 <= image.width / height:
            height, width = width, height
        largest = min(image.width / width, image.height / height)
        scale = max(float(rng.uniform(0.62, 1.0)) * largest, min(1.0, largest))
        left = float(rng.uniform(0, image.width - scale * width))
        top = float(rng.uniform(0, image.height - scale * height))
        box = (left, top, left + scale * width, top + scale * height)
        resized = image.convert("RGB").resize((width, height), Image.Resampling.LANCZOS, box)
    light = np.asarray(resized, np.float32) / 255.0
    light = light * np.array(_TINTS.get(path.stem, (1.0, 1.0, 1.0)), np.float32)
    if rng.random() < 0.5:
        light = light[:, ::-1]
    light = light ** float(np.exp(rng.normal(0, 0.12))) * np.exp(rng.normal(0, 0.03, 3))
    return np.clip(light * 255 + 0.5, 0, 255).astype(np.uint8)


def _photograph_path(name: str) -> Path:
    package, _, rest = name.partition("/")
    spec = find_spec(package)
    path = Path(spec.origin).parent / rest if spec and spec.origin else None
    if path is None or not path.is_file():
        raise DataError(f"{name}: this photograph of the package {package} is not installed")
    return path
