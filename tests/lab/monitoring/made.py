"""Lines of a prediction log as a table, with figures that are drawn instead of scored."""

import numpy as np
import pandas as pd

from forgery_pyfunc.prediction_log.line import LOST, MEANS

VERSION = "made/1"
T_LO, T_HI = 0.35, 0.75
CHANNELS = tuple(f"{MEANS}residual:{number}" for number in range(6))
TABLES = ("table-a", "table-b", "table-c")


def lines(number, rng, share=0.1, skill=2.0, shift=0.0, quality=90, tables=TABLES, declined=0.05):
    """Return so many lines, and their labels as bool[n].

    Scores are normal in each class, `skill` apart, and the probability is calibrated for equal
    shares; `share` of the images is forged. `shift` is added to the features' means.
    """
    forged = rng.random(number) < share
    logit = skill * rng.normal(np.where(forged, skill / 2, -skill / 2), 1)
    probability = 1 / (1 + np.exp(-logit))
    judged = rng.random(number) >= declined
    verdict = np.select(
        [probability >= T_HI, probability >= T_LO], ["forged", "inconclusive"], "authentic"
    )
    days = pd.Timestamp("2026-11-01", tz="UTC") + pd.to_timedelta(rng.random(number), unit="D")
    frame = pd.DataFrame(
        {
            "time": days,
            "model_version": VERSION,
            "verdict": np.where(judged, verdict, "inconclusive"),
            "probability": np.where(judged, probability, np.nan),
            "t_lo": np.where(judged, T_LO, np.nan),
            "t_hi": np.where(judged, T_HI, np.nan),
            "reason": np.where(judged, None, "not_a_photograph"),
            "error": None,
            "width": rng.integers(600, 4000, number),
            "height": rng.integers(600, 4000, number),
            "format": "JPEG",
            "quality": np.clip(rng.normal(quality, 5, number), 1, 100).round(),
            "table_hash": rng.choice(tables, number),
            "photograph": rng.beta(8, 1, number),
            LOST: 0,
        }
    )  # fmt: skip
    common = rng.normal(size=(number, 1))
    means = common + rng.normal(size=(number, len(CHANNELS))) + shift
    frame[list(CHANNELS)] = np.where(judged[:, np.newaxis], means, np.nan)
    return frame, forged


def write_day(folder, day, frame):
    """Write lines as a part of a day's folder."""
    place = folder / f"date={day.isoformat()}"
    place.mkdir(parents=True, exist_ok=True)
    frame.assign(time=pd.Timestamp(day, tz="UTC")).to_parquet(place / "part.parquet")
