"""Features and block targets of many images, computed once by all cores and read from disk.

A store is a folder: `store.json` (what it was made from), `index.parquet` (a row per example) and
shards of two arrays each, `float16[blocks, C]` features and `float16[blocks]` targets, which are
memory-mapped. A shard that is complete is kept when the work is stopped and started again.
"""

import contextlib
import hashlib
import io
import json
import shutil
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache, partial
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

import numpy as np
import pandas as pd

from forgery_lab.errors import DataError
from forgery_lab.examples import histories, masks
from forgery_lab.examples.histories import Displacement, HistoryMatcher, ImageKey
from forgery_lab.examples.masks import block_targets, read_mask
from forgery_lab.files import remove_partial, write_whole
from forgery_lab.processes import Spread, in_parallel
from forgery_lab.progress import Progress
from forgery_pyfunc import features, imaging
from forgery_pyfunc.errors import ImageError
from forgery_pyfunc.features import FAMILIES, SMALLEST_SIDE, blocks, channels, extract
from forgery_pyfunc.imaging.decoding import DecodedImage, decode

SHARD_EXAMPLES = 64
"""Examples per shard: what is lost, per core, when the work is stopped."""

NICE = 10
"""Added to the niceness of worker processes, so that the optimiser beside them goes first."""

COLUMNS = ("id", "label", "group", "split", "draw", "width", "height")
"""What a source says of every example."""

CODE: tuple[ModuleType, ...] = (imaging, features, histories, masks, sys.modules[__name__])
"""The modules and whole packages that every store depends on; sources add their own."""


@dataclass(frozen=True)
class Example:
    """An encoded image and where it is forged.

    Attributes:
        data: bytes of an image that `forgery_pyfunc.imaging.decoding.decode` reads.
        mask: [H, W] of its stored pixels, not zero where forged; None where nobody knows. An
            authentic image needs none.
    """

    data: bytes
    mask: np.ndarray | None = None


class ExampleSource(Protocol):
    """Examples by number, made when asked for; it travels to worker processes by pickle."""

    def table(self) -> pd.DataFrame:
        """Return a row per example, with at least the columns of `COLUMNS`.

        `id` names the image, `draw` tells apart its variants, `label` is 0 or 1, `group` the
        source photographs, `width` and `height` are about what it will have, in pixels.
        """
        ...

    def example(self, number: int) -> Example:
        """Return the example of row `number`; the same for every call."""
        ...

    def settings(self) -> Mapping[str, Any]:
        """Return what the examples depend on, as plain JSON values."""
        ...


@dataclass(frozen=True)
class ManifestSource:
    """The images of a manifest, as they are or with matched histories.

    Attributes:
        rows: of the manifest, with a column `split`.
        root: folder that the manifest's paths are relative to.
        matcher: saves both classes alike (protocol C); None takes the files as they are.
        draws: histories per image; one without a matcher.
        rescaled: further histories per image, with a change of scale before the last save
            (protocol C′); none without a matcher.
    """

    rows: pd.DataFrame
    root: Path
    matcher: HistoryMatcher | None = None
    draws: int = 1
    rescaled: int = 0

    def __post_init__(self) -> None:
        if self.draws < 1 or (self.matcher is None and (self.draws, self.rescaled) != (1, 0)):
            raise DataError(
                f"draws: got {self.draws} and {self.rescaled} rescaled, "
                "files as they are have exactly 1"
            )

    def table(self) -> pd.DataFrame:
        """Return a row per image and draw; of validation images, the first of each kind only."""
        draws, positions = zip(*self._drawn, strict=True)
        rows = self.rows.iloc[list(positions)].reset_index(drop=True)
        table = rows[["label", "group", "split", "width", "height", "path", "kind"]]
        return table.assign(id=rows["sha256"], draw=draws)

    def example(self, number: int) -> Example:
        """Return the bytes of the image, saved by its history, and its mask."""
        draw, position = self._drawn[number]
        row = self.rows.iloc[position]
        data = (self.root / row["path"]).read_bytes()
        mask = None if pd.isna(row["mask_path"]) else read_mask(self.root / row["mask_path"])
        if mask is not None and mask.shape != (row["height"], row["width"]):
            mask = None
        if self.matcher is None:
            return Example(data, mask)
        key = ImageKey(row["label"], row["sha256"])
        return Example(*self.matcher.save(key, data, draw, self._displacement(draw), mask))

    def _displacement(self, draw: int) -> Displacement | None:
        return None if draw < self.draws else "scale"

    @cached_property
    def _drawn(self) -> list[tuple[int, int]]:
        """Number of the draw and of the row, for every example."""
        validates = (self.rows["split"] == "validation").to_numpy()
        return [
            (draw, position)
            for draw in range(self.draws + self.rescaled)
            for position, once in enumerate(validates)
            if not once or draw in (0, self.draws)
        ]

    def settings(self) -> dict[str, Any]:
        """Return what identifies the images, their masks, splits and histories."""
        columns = ["sha256", "label", "group", "split", "mask_path"]
        paths = self.rows["mask_path"].dropna()
        return {
            "images": self.rows[columns].to_numpy().tolist(),
            "masks": [_mask_digest(self.root / path) for path in paths],
            "histories": hashlib.sha256(repr(self.matcher).encode()).hexdigest(),
            "draws": self.draws,
            "rescaled": self.rescaled,
        }


def _mask_digest(path: Path) -> str | None:
    """Return the SHA-256 of a mask; None where it cannot be read, which its example then says."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return None


@dataclass(frozen=True)
class FeatureStore:
    """Examples on disk, or a selection of them; `len`, `features` and `targets` by position.

    Attributes:
        index: a row per example: the source's columns, `rows` and `columns` of its feature map,
            `pixels` of its image, `shard` (path without ending) and `offset` into it.
        families: of features, in their order.
        digest: of all that the features on disk depend on; empty where nobody knows.
    """

    index: pd.DataFrame
    families: tuple[str, ...]
    digest: str = ""

    @classmethod
    def open(cls, folder: Path) -> "FeatureStore":
        """Return the finished store of a folder; its failed examples are left out.

        Raises:
            DataError: the folder holds no finished store.
        """
        try:
            return cls._of(folder, pd.read_parquet(folder / "index.parquet"))
        except (OSError, ValueError) as error:
            raise DataError(f"{folder} holds no finished features: {error}") from error

    @classmethod
    def _of(cls, folder: Path, index: pd.DataFrame) -> "FeatureStore":
        """Return the examples of these rows of a folder's index that could be read."""
        description = json.loads((folder / "store.json").read_text("utf-8"))
        readable = index[index["error"].isna()].drop(columns="error").reset_index(drop=True)
        readable["shard"] = [str(folder / name) for name in readable["shard"]]
        return cls(readable, tuple(description["families"]), digest=description["digest"])

    @property
    def channels(self) -> list[str]:
        """Names of the features."""
        return channels(self.families)

    def at_epoch(self, epoch: int) -> "FeatureStore":
        """Return what an epoch of a training may read: all, whichever it is."""
        return self

    def __len__(self) -> int:
        return len(self.index)

    def select(self, chosen: pd.Series | np.ndarray) -> "FeatureStore":
        """Return the examples for which `chosen`, bool[len], is true, or at these positions."""
        chosen = np.asarray(chosen)
        picked = self.index[chosen] if chosen.dtype == bool else self.index.iloc[chosen]
        return replace(self, index=picked.reset_index(drop=True))

    def features(self, position: int) -> np.ndarray:
        """Return float16[h, w, C], memory-mapped."""
        return self._map(position, "features")

    def targets(self, position: int) -> np.ndarray:
        """Return the forged fraction of each block, float16[h, w], memory-mapped; NaN: unknown."""
        return self._map(position, "targets")

    def _map(self, position: int, kind: str) -> np.ndarray:
        row = self.index.iloc[position]
        height, width, start = int(row["rows"]), int(row["columns"]), int(row["offset"])
        flat = _open_shard(f"{row['shard']}.{kind}.npy")[start : start + height * width]
        return flat.reshape(height, width, *flat.shape[1:])


@lru_cache(maxsize=256)  # each holds a file descriptor
def _open_shard(path: str) -> np.ndarray:
    return np.load(path, mmap_mode="r", allow_pickle=False)


Job = tuple[pd.DataFrame, Path]
"""Rows of a source's table, and the shard (path without ending) that they go to."""


@dataclass
class GrowingStore:
    """A store that worker processes are filling, draw by draw; see `growing`.

    Attributes:
        folder: of the store.
        jobs: all shards with their rows, in the order of draws.
        finished: shards, from the first on, that are on disk.
        ended: whether nothing more is computed.
        failure: what ended the computing before its end.
        opened: stores of the first draws, by their number.
    """

    folder: Path
    jobs: list[Job]
    finished: int = 0
    ended: bool = False
    failure: BaseException | None = None
    opened: dict[int, FeatureStore] = field(default_factory=dict)
    changed: threading.Condition = field(default_factory=threading.Condition)

    @property
    def draws(self) -> int:
        """Variants of each image, once all are there."""
        return max(int(rows["draw"].max()) for rows, _ in self.jobs) + 1

    def first(self, draws: int) -> FeatureStore:
        """Wait for the examples of the first draws, and return them; errors as those of `build`."""
        if draws in self.opened:
            return self.opened[draws]
        wanted = sum(int(rows["draw"].iloc[0]) < draws for rows, _ in self.jobs)
        with self.changed:
            self.changed.wait_for(lambda: self.finished >= wanted or self.ended)
            if self.failure is not None:
                raise self.failure
        tables = [pd.read_parquet(f"{shard}.parquet") for _, shard in self.jobs[:wanted]]
        index = pd.concat(tables, ignore_index=True)
        if index["error"].notna().all():
            raise DataError(f"none of {len(index)} images could be read: {index['error'].iloc[0]}")
        if wanted == len(self.jobs):
            write_whole(self.folder / "index.parquet", index.to_parquet())
        self.opened[draws] = FeatureStore._of(self.folder, index)
        return self.opened[draws]

    def whole(self) -> FeatureStore:
        """Wait for all examples, and return the finished store."""
        return self.first(self.draws)

    def compute(self, ready: Callable[[], None], spread: Spread, progress: Progress | None) -> None:
        """Write the shards that are missing, until all are there or `ended` is set."""
        unfinished = [job for job in self.jobs if not _is_finished(job[1])]
        total, left = (sum(len(rows) for rows, _ in jobs) for jobs in (self.jobs, unfinished))
        done = total - left
        try:
            self._note_finished()
            results = spread(_write_in_worker, unfinished, ready=ready, niceness=NICE)
            with contextlib.closing(results):
                for written in results:
                    done += written
                    self._note_finished()
                    if progress:
                        progress(done, total)
                    if self.ended:
                        return
        except BaseException as error:  # raised again where somebody waits
            self.failure = error
        finally:
            self.end()

    def _note_finished(self) -> None:
        with self.changed:
            while self.finished < len(self.jobs) and _is_finished(self.jobs[self.finished][1]):
                self.finished += 1
            self.changed.notify_all()

    def end(self) -> None:
        """Begin no further shard."""
        with self.changed:
            self.ended = True
            self.changed.notify_all()


def build(
    source: ExampleSource,
    folder: Path,
    families: Sequence[str],
    budget_bytes: float,
    workers: int | None = None,
    progress: Progress | None = None,
    spread: Spread | None = None,
) -> FeatureStore:
    """Compute the features of every example of a source, and return the finished store.

    What a stopped call left is taken up when the source, the families and the code that makes
    the features are the same; else it is removed and made anew. Images that cannot be read stay
    in `index.parquet` with their `error`.

    Args:
        source: of the examples.
        folder: of the store; new, empty or a store.
        families: of features.
        budget_bytes: what the store may take on disk.
        workers: processes; by default one per core.
        progress: called with the examples done and their number.
        spread: makes the shards, in the place of processes here; source and folder must be
            reachable from there.

    Raises:
        DataError: the budget or the disk is too small, the folder holds something else, or no
            image could be read.
    """
    with growing(source, folder, families, budget_bytes, workers, progress, spread) as store:
        return store.whole()


@contextlib.contextmanager
def growing(
    source: ExampleSource,
    folder: Path,
    families: Sequence[str],
    budget_bytes: float,
    workers: int | None = None,
    progress: Progress | None = None,
    spread: Spread | None = None,
) -> Iterator[GrowingStore]:
    """As `build`, but computing goes on beside the block, in processes that let it go first.

    What is not on disk when the block ends is left for the next call.
    """
    table = source.table().reset_index(drop=True)
    _check_room(table, families, budget_bytes, folder)
    _prepare(folder, _settings(source, families), tuple(families))
    chunks = [
        rows.iloc[start : start + SHARD_EXAMPLES]
        for _, rows in table.groupby("draw", sort=True)
        for start in range(0, len(rows), SHARD_EXAMPLES)
    ]
    jobs = [(rows, folder / f"shard-{number:05d}") for number, rows in enumerate(chunks)]
    store = GrowingStore(folder, jobs)
    ready = partial(_start_worker, source, tuple(families))
    work = ready, spread or partial(in_parallel, workers=workers), progress
    thread = threading.Thread(target=store.compute, args=work, daemon=True)
    thread.start()
    try:
        yield store
    finally:
        store.end()
        thread.join()


def failures(folder: Path) -> pd.DataFrame:
    """Return the examples of a finished store that could not be read, each with its `error`."""
    index = pd.read_parquet(folder / "index.parquet")
    return index[index["error"].notna()].reset_index(drop=True)


def needed_bytes(table: pd.DataFrame, families: Sequence[str]) -> int:
    """Return the bytes on disk that the features of a source's table take."""
    side = FAMILIES[families[0]].side  # a family of a fixed size stands alone
    if side is not None:
        cells = side**2 * len(table)
    else:
        cells = int(((table["width"] // blocks.SIZE) * (table["height"] // blocks.SIZE)).sum())
    return cells * (len(channels(families)) + 1) * np.dtype(np.float16).itemsize


def _on_blocks(families: Sequence[str]) -> bool:
    return all(FAMILIES[name].on_blocks for name in families)


def _check_room(
    table: pd.DataFrame, families: Sequence[str], budget_bytes: float, folder: Path
) -> None:
    missing = [column for column in COLUMNS if column not in table]
    if missing or table.empty:
        raise DataError(f"the source of features has no {', '.join(missing) or 'examples'}")
    needed = needed_bytes(table, families)
    if needed > budget_bytes:
        raise DataError(
            f"features of {len(table)} examples take {needed / 1e9:.2f} GB, the disk budget is "
            f"{budget_bytes / 1e9:.2f} GB: use fewer draws or a larger budget"
        )
    folder.mkdir(parents=True, exist_ok=True)
    kept = sum(file.stat().st_size for file in folder.glob("*.npy"))
    free = shutil.disk_usage(folder).free + kept
    if needed > free:
        raise DataError(
            f"the disk is full: features take {needed / 1e6:,.1f} MB in {folder}, "
            f"and there are {free / 1e6:,.1f} MB"
        )


def _settings(source: ExampleSource, families: Sequence[str]) -> str:
    """Return a digest of all that the store's content depends on, code included."""
    settings = {
        "source": source.settings(),
        "families": list(families),
        "code": code_digests(CODE),
    }
    text = json.dumps(settings, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def code_digests(modules: Iterable[ModuleType]) -> dict[str, str]:
    """Return the SHA-256 of each source file of modules and of whole packages, by its name.

    Raises:
        DataError: a file is missing, so that nobody could tell when it changes.
    """
    digests = {}
    for module in modules:
        file = Path(str(module.__file__))
        folder = file.parent
        others = folder.rglob("*.py") if file.name == "__init__.py" else ()
        for path in sorted({file, *others}):
            name = f"{module.__name__}/{path.relative_to(folder).as_posix()}"
            try:
                digests[name] = hashlib.sha256(path.read_bytes()).hexdigest()
            except OSError as error:
                raise DataError(
                    f"{path}: this source file of {module.__name__} cannot be read "
                    f"({error.strerror}), so changes of the code would go unnoticed"
                ) from error
    return digests


def _prepare(folder: Path, digest: str, families: tuple[str, ...]) -> None:
    """Leave in the folder only what belongs to the store of this digest."""
    remove_partial(folder)
    note = folder / "store.json"
    if note.is_file():
        if json.loads(note.read_text("utf-8")).get("digest") == digest:
            return
    elif any(folder.iterdir()):
        raise DataError(f"{folder} is not empty and holds no features: choose another folder")
    # Tables first and the note last, so that what a stopped removal leaves is no finished shard.
    for old in sorted(folder.iterdir(), key=lambda path: path.suffix != ".parquet"):
        if old != note:
            old.unlink()
    description = {"digest": digest, "families": families, "channels": channels(families)}
    write_whole(note, json.dumps(description, indent=1).encode())


def _is_finished(shard: Path) -> bool:
    return shard.with_suffix(".parquet").is_file()


_work: tuple[ExampleSource, tuple[str, ...]]


def _start_worker(source: ExampleSource, families: tuple[str, ...]) -> None:
    global _work
    _work = (source, families)


def _write_in_worker(job: Job) -> int:
    source, families = _work
    return _write_shard(source, *job, families)


def _write_shard(
    source: ExampleSource, rows: pd.DataFrame, shard: Path, families: tuple[str, ...]
) -> int:
    """Write the two arrays of a shard, then its table: a shard with a table is complete."""
    maps, targets, notes = [], [], []
    offset = 0
    for number, label in zip(rows.index, rows["label"], strict=True):
        note: dict[str, Any] = {"shard": shard.name, "offset": offset, "error": None}
        try:
            image, forged = _opened(source.example(number), int(label))
            computed = _compute(image, families)
        except (ImageError, DataError) as error:
            notes.append({**note, "rows": 0, "columns": 0, "pixels": 0, "error": str(error)})
            continue
        height, width, depth = computed.shape
        pixels = image.height * image.width
        notes.append({**note, "rows": height, "columns": width, "pixels": pixels})
        maps.append(computed.reshape(-1, depth))
        unknown = np.full(height * width, np.nan, np.float16)
        targets.append(forged.ravel() if _on_blocks(families) else unknown)
        offset += height * width
    flat_features = np.concatenate(maps) if maps else np.empty((0, len(channels(families))))
    flat_targets = np.concatenate(targets) if targets else np.empty(0)
    table = pd.concat(
        [rows.reset_index(drop=True), pd.DataFrame(notes).astype({"error": "object"})], axis=1
    )
    _write_array(shard.with_suffix(".features.npy"), flat_features)
    _write_array(shard.with_suffix(".targets.npy"), flat_targets)
    write_whole(shard.with_suffix(".parquet"), table.to_parquet())
    return len(rows)


def _opened(example: Example, label: int) -> tuple[DecodedImage, np.ndarray]:
    """Return the image of an example, and the forged fraction of its blocks."""
    image = decode(example.data)
    if min(image.width, image.height) < SMALLEST_SIDE:
        raise DataError(
            f"the image is {image.width} × {image.height} pixels, "
            f"both sides must be at least {SMALLEST_SIDE}"
        )
    return image, block_targets(example.mask, label, image.height, image.width)


def _compute(image: DecodedImage, families: tuple[str, ...]) -> np.ndarray:
    largest = np.finfo(np.float16).max
    return np.clip(extract(image, families), -largest, largest).astype(np.float16)


def _write_array(path: Path, array: np.ndarray) -> None:
    buffer = io.BytesIO()
    np.save(buffer, array.astype(np.float16), allow_pickle=False)
    write_whole(path, buffer.getbuffer())
