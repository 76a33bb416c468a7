"""What a data set looks like, drawn from its manifest."""

import pandas as pd
from matplotlib.figure import Figure

COLOURS = {"authentic": "#4477aa", "forged": "#cc6677"}
CLASSES = tuple(COLOURS)


def summary_figures(manifest: pd.DataFrame) -> dict[str, Figure]:
    """Return figures named `classes`, `formats`, `sizes` and `qualities`, both classes in each."""
    side = manifest["label"].map(dict(enumerate(CLASSES)))
    return {
        "classes": _bars(manifest["category"].replace("", "none"), side, "Images by category"),
        "formats": _bars(manifest["format"], side, "Images by format"),
        "sizes": _sizes(manifest, side),
        "qualities": _qualities(manifest["jpeg_quality"], side),
    }


def _bars(values: pd.Series, side: pd.Series, title: str) -> Figure:
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    counts = pd.crosstab(values, side).reindex(columns=CLASSES, fill_value=0)
    for offset, name in zip((-0.2, 0.2), CLASSES, strict=True):
        positions = [position + offset for position in range(len(counts))]
        axes.bar(positions, counts[name], 0.4, color=COLOURS[name], label=name)
    axes.set(title=title, ylabel="images", xticks=range(len(counts)), xticklabels=counts.index)
    axes.legend()
    return figure


def _sizes(manifest: pd.DataFrame, side: pd.Series) -> Figure:
    figure = Figure(figsize=(7, 5), layout="constrained")
    axes = figure.subplots()
    for name in CLASSES:
        counts = manifest[side == name].groupby(["width", "height"]).size()
        axes.scatter(
            counts.index.get_level_values("width"),
            counts.index.get_level_values("height"),
            s=10 + 400 * counts / len(manifest),
            color=COLOURS[name],
            alpha=0.5,
            label=name,
        )
    axes.set(title="Sizes; the area of a disc is the share of images")
    axes.set(xlabel="width, pixels", ylabel="height, pixels")
    axes.legend()
    return figure


def _qualities(quality: pd.Series, side: pd.Series) -> Figure:
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    values = [quality[side == name].dropna().astype(int) for name in CLASSES]
    labels = [
        f"{name} ({len(qualities)} JPEGs)" for name, qualities in zip(CLASSES, values, strict=True)
    ]
    colours = list(COLOURS.values())
    axes.hist(values, bins=[q - 0.5 for q in range(1, 102)], color=colours, label=labels)
    axes.set(title="JPEG quality by the luma quantisation table", xlabel="quality", ylabel="images")
    axes.legend()
    return figure
