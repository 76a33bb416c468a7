"""Encoders of the sealed test: hardly one is the one that training saves with."""

from __future__ import annotations

import io
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.sealed import magick

QUALITIES = (60, 95)
SUBSAMPLINGS = ("4:4:4", "4:2:2", "4:2:0")


@dataclass(frozen=True)
class Save:
    """How a picture is saved; `options` depend on the encoder."""

    encoder: str
    quality: int
    options: str = ""

    def __str__(self) -> str:
        return " ".join(filter(None, [self.encoder, f"q{self.quality}", self.options]))

    @property
    def suffix(self) -> str:
        """Of the file."""
        return {"PNG": ".png", "WebP": ".webp"}.get(self.encoder.split()[-1], ".jpg")

    def encoded(self, pixels: np.ndarray) -> bytes:
        """Return the file."""
        return ENCODERS[self.encoder].encode(pixels, self)


@dataclass(frozen=True)
class Encoder:
    """An encoder.

    Attributes:
        encode: returns the file of uint8[H, W, 3].
        needs: a module, or a program on the path.
        weight: how often it is drawn for the last save.
        middle: whether it is drawn for a middle save.
        options: to draw from.
    """

    encode: Callable[[np.ndarray, Save], bytes]
    needs: str
    weight: float
    middle: bool = True
    options: tuple[str, ...] = ("",)

    @property
    def is_available(self) -> bool:
        """Whether this machine has it."""
        return shutil.which(self.needs) is not None or find_spec(self.needs) is not None


def drawn(rng: np.random.Generator, middle: bool = False) -> Save:
    """Return a save, by one of the encoders that this machine has.

    Args:
        rng: of this save.
        middle: whether the picture is saved again later; then as JPEG of high quality.
    """
    usable = {
        name: one
        for name, one in ENCODERS.items()
        if one.is_available and (one.middle or not middle)
    }
    weights = np.array([one.weight for one in usable.values()])
    name = str(rng.choice(list(usable), p=weights / weights.sum()))
    lowest = 80 if middle else QUALITIES[0]
    quality = int(rng.integers(lowest, QUALITIES[1] + 1))
    option = str(rng.choice(ENCODERS[name].options))
    return Save(name, 100 if name.endswith("PNG") else quality, option)


def missing() -> list[str]:
    """Return the encoders that this machine lacks, with what they need."""
    return [f"{name} ({one.needs})" for name, one in ENCODERS.items() if not one.is_available]


def _jpeglib(version: str) -> Callable[[np.ndarray, Save], bytes]:
    def encode(pixels: np.ndarray, save: Save) -> bytes:
        import jpeglib

        table = {"base_quant_tbl_idx": int(save.options.split()[-1])} if save.options else {}
        with tempfile.TemporaryDirectory() as folder, jpeglib.version(version):
            path = Path(folder) / "out.jpg"
            image = jpeglib.from_spatial(np.ascontiguousarray(pixels))
            image.write_spatial(str(path), qt=save.quality, **table)
            return path.read_bytes()

    return encode


def _jpegli(pixels: np.ndarray, save: Save) -> bytes:
    import pyjpegli

    height, width = pixels.shape[:2]
    return pyjpegli.encode(pixels.tobytes(), width, height, save.quality)


def _ppm(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PPM")
    return buffer.getvalue()


def _imagemagick(pixels: np.ndarray, save: Save) -> bytes:
    options = ["-sampling-factor", save.options] if save.options else []
    arguments = ["ppm:-", *options, "-quality", str(save.quality), "-strip", "jpeg:-"]
    return magick.run(arguments, _ppm(pixels))


def _cjpeg(pixels: np.ndarray, save: Save) -> bytes:
    command = ["cjpeg", "-quality", str(save.quality), *save.options.split()]
    return subprocess.run(command, input=_ppm(pixels), check=True, capture_output=True).stdout


def _cwebp(pixels: np.ndarray, save: Save) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "in.ppm", Path(folder) / "out.webp"
        source.write_bytes(_ppm(pixels))
        command = ["cwebp", "-quiet", "-q", str(save.quality), str(source), "-o", str(target)]
        subprocess.run(command, check=True, capture_output=True)
        return target.read_bytes()


def _png(pixels: np.ndarray, save: Save) -> bytes:
    return magick.run(["ppm:-", "-strip", "png:-"], _ppm(pixels))


CJPEG_OPTIONS = ("-sample 1x1", "-sample 2x1 -optimize", "-progressive", "-dct float -sample 2x2",
                 "-sample 1x2")  # fmt: skip
ENCODERS: Mapping[str, Encoder] = {
    "mozjpeg": Encoder(_jpeglib("mozjpeg403"), "jpeglib", 5,
                       options=("", "table 0", "table 2", "table 3", "table 4")),
    "jpegli": Encoder(_jpegli, "pyjpegli", 3),
    "libjpeg 6b": Encoder(_jpeglib("6b"), "jpeglib", 1),
    "libjpeg 9e": Encoder(_jpeglib("9e"), "jpeglib", 1),
    "ImageMagick": Encoder(_imagemagick, "convert", 3, options=SUBSAMPLINGS),
    "cjpeg": Encoder(_cjpeg, "cjpeg", 3, options=CJPEG_OPTIONS),
    "ImageMagick PNG": Encoder(_png, "convert", 1.5, middle=False),
    "cwebp WebP": Encoder(_cwebp, "cwebp", 1.5, middle=False),
}  # fmt: skip
