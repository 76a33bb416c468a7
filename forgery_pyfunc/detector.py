"""A trained detector, as it is stored on disk, and the way from bytes to an answer."""

import base64
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnxruntime
from PIL import Image

from forgery_pyfunc import applicability, borders, heatmap
from forgery_pyfunc.calibration import Calibration
from forgery_pyfunc.contract import CodedMessage, Record
from forgery_pyfunc.errors import ImageError, ModelError
from forgery_pyfunc.features import SMALLEST_SIDE, blocks, extract
from forgery_pyfunc.imaging.decoding import DecodedImage, decode, from_pillow, oriented
from forgery_pyfunc.imaging.guards import Limits
from forgery_pyfunc.photograph_classifier import PhotographClassifier
from forgery_pyfunc.request_parameters import Parameters

if TYPE_CHECKING:
    from forgery_pyfunc.explanation import Explanation

FORMAT = 1
"""Version of the folder's layout; a detector of another format is refused."""

DESCRIPTION_FILE = "detector.json"
NETWORK_FILE = "network.onnx"
KERAS_FILE = "network.keras"
MANIFEST_FILE = "training_manifest.parquet"
FIGURES_FILE = "figures.json"
CARD_FILE = "model_card.md"
ATTRIBUTION_FILE = "ATTRIBUTION.md"
CLASSIFIER_FILE = "photographs.json"
"""The classifier of photographs; a detector without it judges drawings and screenshots too."""


@dataclass(frozen=True)
class Logits:
    """The network's output for one image, before calibration.

    Attributes:
        image: of the image being forged.
        blocks: float32[h, w] logits per 8×8 block, or None where the network has no map.
        features: float32[h, w, C] that the network read.
    """

    image: float
    blocks: np.ndarray | None
    features: np.ndarray


@dataclass(frozen=True)
class Examination:
    """The answer for an image, and what was seen on the way to it.

    Attributes:
        record: the answer.
        image: as decoded.
        photograph: probability of being a photograph, None where no classifier was asked.
        features: float32[h, w, C] that the network read, None where the image was not judged.
    """

    record: Record
    image: DecodedImage
    photograph: float | None = None
    features: np.ndarray | None = None


class Detector:
    """An exported network with its features and its calibration; safe to use from threads."""

    def __init__(
        self,
        session: onnxruntime.InferenceSession,
        features: Sequence[str],
        calibration: Calibration,
        version: str,
        classifier: PhotographClassifier | None = None,
    ) -> None:
        self.session = session
        self.features = tuple(features)
        self.calibration = calibration
        self.version = version
        self.classifier = classifier
        self.outputs = [output.name for output in session.get_outputs()]

    @classmethod
    def load(cls, folder: Path | str, version: str | None = None) -> "Detector":
        """Return the detector of a folder with `detector.json` and `network.onnx`.

        Where the folder holds `photographs.json` too, what is no photograph is declined.

        Args:
            folder: as `train` writes it.
            version: the `model_version` of its answers; by default the detector's name and the
                first digits of the network's SHA-256.

        Raises:
            ModelError: a file is missing or damaged, or of another format.
        """
        folder = Path(folder)
        description = read_description(folder)
        try:
            network = (folder / NETWORK_FILE).read_bytes()
            session = onnxruntime.InferenceSession(network, _session_options())
        except FileNotFoundError as error:
            raise ModelError(f"{folder} has no {NETWORK_FILE}") from error
        except Exception as error:  # ONNX Runtime's errors share no public base class
            raise ModelError(
                f"{folder / NETWORK_FILE} is not a valid ONNX network: {error}"
            ) from error
        digest = hashlib.sha256(network).hexdigest()[:8]
        classifier = folder / CLASSIFIER_FILE
        return cls(
            session,
            description["features"],
            Calibration.from_dict(description["calibration"]),
            version or f"{description['name']}-{digest}",
            PhotographClassifier.load(classifier) if classifier.exists() else None,
        )

    @classmethod
    def shipped(cls) -> "Detector":
        """Return the detector that comes with the package `forgery-detector`.

        Raises:
            ModelError: the package `forgery` is not installed, or lacks a file of the detector.
        """
        return cls.load(shipped_folder())

    def logits(self, image: DecodedImage) -> Logits:
        """Return the network's logits for a decoded image of at least 64×64 pixels."""
        return self._answer(extract(image, self.features))

    def _answer(self, features: np.ndarray) -> Logits:
        """Return the network's logits for features float32[h, w, C]."""
        given = {"features": features[np.newaxis]}
        answers = dict(zip(self.outputs, self.session.run(None, given), strict=True))
        logits = answers.get("blocks")
        return Logits(
            image=float(answers["image"].item()),
            blocks=None if logits is None else logits[0, :, :, 0],
            features=features,
        )

    def score(
        self,
        image: bytes | str | Path | Image.Image | DecodedImage,
        threshold: float | None = None,
        with_heatmap: bool = False,
        limits: Limits | None = None,
        with_explanation: bool = False,
    ) -> Record:
        """Return the record of `/invocations` for one image.

        Args:
            image: an encoded image, as bytes or as the path of a file; or a Pillow image, which
                stands for its pixels alone: it has no JPEG header, so that the probability may
                differ from that of the file it came from, and the record's `format` is None; or
                what `decode` or a sandbox made of a file.
            threshold: replaces both thresholds of the calibration.
            with_heatmap: whether to draw the heat map, where the network has one.
            limits: of size; by default those of `Limits()`.
            with_explanation: whether to tell why; it then takes two to three times as long.

        Raises:
            ImageError: this cannot be read as an image.
            ParameterError: the threshold is no probability.
            OSError: the file cannot be read; `FileNotFoundError` where there is none.
            TypeError: `image` is something else.
        """
        return self.examine(image, threshold, with_heatmap, limits, with_explanation).record

    def examine(
        self,
        image: bytes | str | Path | Image.Image | DecodedImage,
        threshold: float | None = None,
        with_heatmap: bool = False,
        limits: Limits | None = None,
        with_explanation: bool = False,
    ) -> Examination:
        """Return the record of an image with what was seen on the way; takes and raises as `score`.

        It holds the decoded image and the features, so keep no more of it than is needed.
        """
        Parameters(threshold=threshold)  # checks it
        decoded = _decoded(image, limits or Limits())
        height, width = oriented(decoded.luma, decoded.orientation).shape
        note = applicability.note_on(decoded)
        record = Record(
            width=width,
            height=height,
            format=decoded.format or None,
            model_version=self.version,
            note=str(note) if note else None,
        )
        if reason := _reason_against_size(decoded):
            return Examination(replace(record, verdict="inconclusive", reason=str(reason)), decoded)
        rows, columns = borders.inside(decoded.luma, SMALLEST_SIDE)
        inner = decoded.part(rows, columns)
        applies = applicability.judge(inner, self.classifier)
        if applies.reason:
            declined = replace(record, verdict="inconclusive", reason=str(applies.reason))
            return Examination(declined, decoded, applies.photograph)
        logits = self.logits(inner)
        probability = self.calibration.probability(logits.image, inner.width * inner.height)
        t_lo, t_hi = self.calibration.band(threshold)
        levels = explanation = None
        if with_heatmap and logits.blocks is not None:
            corner = rows.start // blocks.SIZE, columns.start // blocks.SIZE
            levels = self._heatmap(decoded, logits.blocks, corner)
        if with_explanation:
            corner = columns.start, rows.start
            explanation = self._explanation(decoded, inner, corner, logits).to_json()
        judged = replace(
            record,
            verdict=self.calibration.verdict(probability, threshold),
            probability=probability,
            heatmap=levels,
            t_lo=t_lo,
            t_hi=t_hi,
            explanation=explanation,
        )
        return Examination(judged, decoded, applies.photograph, logits.features)

    def error_record(self, error: ImageError) -> Record:
        """Return the record of an image that could not be scored."""
        return Record(model_version=self.version, error=str(CodedMessage.of(error)))

    def _explanation(
        self,
        image: DecodedImage,
        inner: DecodedImage,
        corner: tuple[int, int],
        logits: Logits,
    ) -> "Explanation":
        """Return why `inner`, the part of an image from a corner (x, y) on, has these logits."""
        from forgery_pyfunc.explaining.explain import Judged, explain

        def log_odds(logit: float) -> float:
            return self.calibration.log_odds(logit, inner.width * inner.height)

        probabilities = None
        if logits.blocks is not None:
            probabilities = self.calibration.block_probabilities(logits.blocks)
        judged = Judged(
            inner, self.features, logits.features, log_odds(logits.image), probabilities
        )
        return explain(
            judged,
            lambda some: log_odds(self._answer(some).image),
            lambda box: box.moved(*corner).turned(image.width, image.height, image.orientation),
        )

    def _heatmap(self, image: DecodedImage, logits: np.ndarray, corner: tuple[int, int]) -> str:
        """Return the map of an image whose blocks from a corner on have these logits; else 0."""
        probabilities = np.zeros(blocks.grid(image.height, image.width))
        (top, left), (rows, columns) = corner, logits.shape
        window = np.s_[top : top + rows, left : left + columns]
        probabilities[window] = self.calibration.block_probabilities(logits)
        levels = heatmap.render(probabilities, image.width, image.height)
        png = heatmap.to_png(oriented(levels, image.orientation))
        return base64.b64encode(png).decode("ascii")


def shipped_folder() -> Path:
    """Return the folder of the detector that comes with the package `forgery-detector`.

    It lies in `forgery`, which a logged model does not bring; so that package is looked up by
    name, and never imported by this one.

    Raises:
        ModelError: the package `forgery` is not installed.
    """
    package = find_spec("forgery")
    if package is None or not package.submodule_search_locations:
        raise ModelError(
            "the shipped detector comes with the package forgery-detector, which is not "
            "installed here: pip install forgery-detector, or Detector.load(FOLDER)"
        )
    return Path(package.submodule_search_locations[0]) / "shipped"


def read_description(folder: Path) -> dict[str, Any]:
    """Return the content of `detector.json`; raise `ModelError` where it is missing or invalid."""
    path = folder / DESCRIPTION_FILE
    try:
        description = json.loads(path.read_text("utf-8"))
    except FileNotFoundError as error:
        raise ModelError(
            f"{folder} is not a detector folder: it has no {DESCRIPTION_FILE}"
        ) from error
    except ValueError as error:
        raise ModelError(f"{path} is not valid JSON: {error}") from error
    missing = {"format", "name", "network", "features", "calibration"} - set(description)
    if missing:
        raise ModelError(f"{path} lacks {', '.join(sorted(missing))}")
    if description["format"] != FORMAT:
        raise ModelError(f"{path} has format {description['format']}; this code reads {FORMAT}")
    return description


def _decoded(
    image: bytes | str | Path | Image.Image | DecodedImage, limits: Limits
) -> DecodedImage:
    if isinstance(image, DecodedImage):
        return image
    if isinstance(image, Image.Image):
        return from_pillow(image, limits)
    if isinstance(image, bytes | bytearray | memoryview):
        return decode(bytes(image), limits)
    if not isinstance(image, str | Path):
        raise TypeError(
            f"an image must be bytes, a path or a Pillow image, not {type(image).__name__}"
        )
    with Path(image).open("rb") as file:
        return decode(file.read(limits.max_bytes + 1), limits)


def _reason_against_size(image: DecodedImage) -> CodedMessage | None:
    if min(image.width, image.height) >= SMALLEST_SIDE:
        return None
    return CodedMessage(
        "too_small",
        f"the image has {image.width}×{image.height} pixels; "
        f"the method needs at least {SMALLEST_SIDE}×{SMALLEST_SIDE}",
    )


def _session_options() -> onnxruntime.SessionOptions:
    """Return options of one thread: the server runs requests side by side on a small network.

    Without an arena, the memory that a large picture took is free again; no picture takes longer.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.enable_cpu_mem_arena = False
    return options
