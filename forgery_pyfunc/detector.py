"""A trained detector as it stands on disk, and the way from bytes to an answer."""

import base64
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from forgery_pyfunc import applicability, borders, heatmap
from forgery_pyfunc.calibration import Calibration
from forgery_pyfunc.errors import ImageError, ModelError
from forgery_pyfunc.features import SMALLEST_SIDE, extract
from forgery_pyfunc.imaging.decoding import DecodedImage, Limits, decode, oriented

FORMAT = 1
"""Version of the folder's layout; a detector of another format is refused."""

DESCRIPTION_FILE = "detector.json"
NETWORK_FILE = "network.onnx"
KERAS_FILE = "network.keras"
MANIFEST_FILE = "training_manifest.parquet"
FIGURES_FILE = "figures.json"
CARD_FILE = "model_card.md"


@dataclass(frozen=True)
class Evidence:
    """What the network says of one image, before calibration.

    Attributes:
        logit: of the image being forged.
        blocks: float32[h, w] logits per 8×8 block, or None where the network has no map.
    """

    logit: float
    blocks: np.ndarray | None


class Detector:
    """An exported network with its features and its calibration; safe to use from threads."""

    def __init__(
        self,
        session: onnxruntime.InferenceSession,
        features: Sequence[str],
        calibration: Calibration,
        version: str,
    ) -> None:
        self.session = session
        self.features = tuple(features)
        self.calibration = calibration
        self.version = version
        self.outputs = [output.name for output in session.get_outputs()]

    @classmethod
    def load(cls, folder: Path | str, version: str | None = None) -> "Detector":
        """Return the detector of a folder with `detector.json` and `network.onnx`.

        Args:
            folder: as `train` writes it.
            version: what `model_version` shall say; by default the detector's name and the
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
            raise ModelError(f"{folder / NETWORK_FILE} is no ONNX network: {error}") from error
        digest = hashlib.sha256(network).hexdigest()[:8]
        return cls(
            session,
            description["features"],
            Calibration.from_dict(description["calibration"]),
            version or f"{description['name']}-{digest}",
        )

    def evidence(self, image: DecodedImage) -> Evidence:
        """Return the network's logits for a decoded image of at least 64×64 pixels."""
        features = extract(image, self.features)[np.newaxis]
        answers = dict(
            zip(self.outputs, self.session.run(None, {"features": features}), strict=True)
        )
        blocks = answers.get("blocks")
        return Evidence(
            logit=float(answers["image"].item()),
            blocks=None if blocks is None else blocks[0, :, :, 0],
        )

    def score(
        self,
        data: bytes,
        threshold: float | None = None,
        with_heatmap: bool = False,
        limits: Limits | None = None,
    ) -> dict[str, Any]:
        """Return the record of `/invocations` for the bytes of one encoded image.

        Args:
            data: an encoded image.
            threshold: replaces both thresholds of the calibration.
            with_heatmap: whether to draw the map of where, where the network has one.
            limits: of size; by default those of `Limits()`.

        Raises:
            ImageError: the bytes cannot be read as an image.
        """
        image = decode(data, limits or Limits())
        height, width = oriented(image.luma, image.orientation).shape
        record = {
            **EMPTY_RECORD,
            "width": width,
            "height": height,
            "format": image.format,
            "model_version": self.version,
        }
        if min(image.width, image.height) < SMALLEST_SIDE:
            reason = (
                f"too_small: the image has {image.width}×{image.height} pixels; "
                f"the method needs at least {SMALLEST_SIDE}×{SMALLEST_SIDE}"
            )
            return {**record, "verdict": "inconclusive", "reason": reason}
        rows, columns = borders.inside(image.luma, SMALLEST_SIDE)
        inner = image.part(rows, columns)
        reason_against = applicability.reason_against(inner)
        if reason_against:
            return {**record, "verdict": "inconclusive", "reason": reason_against}
        evidence = self.evidence(inner)
        probability = self.calibration.probability(evidence.logit, inner.width * inner.height)
        record["probability"] = probability
        record["verdict"] = self.calibration.verdict(probability, threshold)
        record["t_lo"], record["t_hi"] = self.calibration.band(threshold)
        if with_heatmap and evidence.blocks is not None:
            corner = rows.start // heatmap.BLOCK, columns.start // heatmap.BLOCK
            record["heatmap"] = self._heatmap(image, evidence.blocks, corner)
        return record

    def error_record(self, error: ImageError) -> dict[str, Any]:
        """Return the record of an image that could not be scored."""
        message = f"{error.code}: {error}"
        return {**EMPTY_RECORD, "model_version": self.version, "error": message}

    def _heatmap(self, image: DecodedImage, blocks: np.ndarray, corner: tuple[int, int]) -> str:
        """Return the map of an image whose blocks from a corner on have these logits; else 0."""
        probabilities = np.zeros((image.height // heatmap.BLOCK, image.width // heatmap.BLOCK))
        (top, left), (rows, columns) = corner, blocks.shape
        window = np.s_[top : top + rows, left : left + columns]
        probabilities[window] = self.calibration.block_probabilities(blocks)
        levels = heatmap.render(probabilities, image.width, image.height)
        png = heatmap.to_png(oriented(levels, image.orientation))
        return base64.b64encode(png).decode("ascii")


RECORD_FIELDS = {
    "verdict": "string",
    "probability": "double",
    "heatmap": "string",
    "width": "long",
    "height": "long",
    "format": "string",
    "model_version": "string",
    "error": "string",
    "reason": "string",
    "t_lo": "double",
    "t_hi": "double",
}
"""Fields of an answer and their MLflow types, in order. The last three are this project's
addition: why the verdict is `inconclusive` although the image could be read, and the cuts that
decided it: below `t_lo` authentic, from `t_hi` on forged."""

EMPTY_RECORD: dict[str, Any] = dict.fromkeys(RECORD_FIELDS)


def read_description(folder: Path) -> dict[str, Any]:
    """Return what `detector.json` says; raise `ModelError` where it is not as it must be."""
    path = folder / DESCRIPTION_FILE
    try:
        description = json.loads(path.read_text("utf-8"))
    except FileNotFoundError as error:
        raise ModelError(f"{folder} is no detector: it has no {DESCRIPTION_FILE}") from error
    except ValueError as error:
        raise ModelError(f"{path} is not valid JSON: {error}") from error
    missing = {"format", "name", "network", "features", "calibration"} - set(description)
    if missing:
        raise ModelError(f"{path} lacks {', '.join(sorted(missing))}")
    if description["format"] != FORMAT:
        raise ModelError(f"{path} has format {description['format']}; this code reads {FORMAT}")
    return description


def _session_options() -> onnxruntime.SessionOptions:
    """One thread per request: the server runs requests side by side, and the network is small."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    return options
