"""Charts as Matplotlib draws them: twelve kinds, its style sheets, data from a generator."""

from __future__ import annotations

import io
from collections.abc import Callable

import matplotlib.style
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.random import Generator
from PIL import Image

_PALETTES = ("viridis", "plasma", "coolwarm", "Blues", "terrain", "gray", "Spectral", "tab20")


def draw_chart(rng: Generator, size: tuple[int, int]) -> Image.Image:
    """Return a figure of one to six charts, RGB, of this size in pixels."""
    style = rng.choice(["default", *matplotlib.style.available])
    dpi = int(rng.choice([72, 100, 150]))
    with matplotlib.style.context(style):
        figure = Figure(figsize=(size[0] / dpi, size[1] / dpi), dpi=dpi)
        canvas = FigureCanvasAgg(figure)
        rows, columns = [(1, 1), (1, 1), (1, 1), (1, 2), (2, 2), (2, 3)][rng.integers(6)]
        for place in range(rows * columns):
            kind = _KINDS[rng.integers(len(_KINDS))]
            axes = figure.add_subplot(
                rows, columns, place + 1, projection="3d" if kind is _surface else None
            )
            kind(axes, rng)
            _label(axes, rng)
        figure.subplots_adjust(hspace=0.4, wspace=0.3)
        file = io.BytesIO()
        canvas.print_png(file)
    return Image.open(file).convert("RGB")


def _label(axes: Axes, rng: Generator) -> None:
    words = ("accuracy", "epoch", "time (s)", "share", "residual", "x", "count", "price", "dB")
    if rng.random() < 0.8:
        axes.set_title(f"{rng.choice(words)} by {rng.choice(words)}")
        axes.set_xlabel(str(rng.choice(words)))
        axes.set_ylabel(str(rng.choice(words)))
    if rng.random() < 0.3:
        axes.grid(alpha=0.5)
    if axes.get_legend_handles_labels()[0] and rng.random() < 0.7:
        axes.legend()


def _lines(axes: Axes, rng: Generator) -> None:
    for number in range(rng.integers(1, 6)):
        values = np.cumsum(rng.normal(size=rng.integers(10, 300)))
        axes.plot(values, rng.choice(["-", "--", "-o", ":"]), label=f"run {number}", ms=3)


def _bars(axes: Axes, rng: Generator) -> None:
    names = [f"{letter}{rng.integers(99)}" for letter in "abcdefghij"[: rng.integers(3, 10)]]
    draw = axes.bar if rng.random() < 0.6 else axes.barh
    draw(names, rng.gamma(2, 10, len(names)), label="measured")


def _dots(axes: Axes, rng: Generator) -> None:
    count = int(rng.integers(20, 600))
    x = rng.normal(size=count)
    axes.scatter(
        x,
        x * rng.normal() + rng.normal(size=count),
        c=rng.random(count),
        s=rng.uniform(4, 90, count),
        alpha=0.7,
        cmap=rng.choice(_PALETTES),
    )


def _histogram(axes: Axes, rng: Generator) -> None:
    for number in range(rng.integers(1, 4)):
        values = rng.normal(rng.normal() * 2, rng.uniform(0.5, 2), 800)
        axes.hist(values, bins=int(rng.integers(10, 60)), alpha=0.6, label=f"group {number}")


def _matrix(axes: Axes, rng: Generator) -> None:
    side = int(rng.integers(3, 40))
    values = rng.random((side, side)) + np.eye(side) * rng.uniform(0, 3)
    axes.imshow(values, cmap=rng.choice(_PALETTES), interpolation="nearest")
    if side < 9:
        for (row, column), value in np.ndenumerate(values):
            axes.text(column, row, f"{value:.2f}", ha="center", va="center", fontsize=7)


def _field(rng: Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    x, y = np.meshgrid(np.linspace(-3, 3, 80), np.linspace(-3, 3, 80))
    a, b, c = rng.uniform(0.5, 2.5, 3)
    return x, y, np.sin(a * x) * np.cos(b * y) + np.exp(-c * (x**2 + y**2) / 4)


def _contours(axes: Axes, rng: Generator) -> None:
    draw = axes.contourf if rng.random() < 0.6 else axes.contour
    draw(*_field(rng), levels=int(rng.integers(6, 25)), cmap=rng.choice(_PALETTES))


def _surface(axes: Axes, rng: Generator) -> None:
    axes.plot_surface(*_field(rng), cmap=rng.choice(_PALETTES))  # type: ignore[attr-defined]


def _pie(axes: Axes, rng: Generator) -> None:
    shares = rng.gamma(1, 1, rng.integers(3, 8))
    axes.pie(shares, labels=[f"part {n}" for n in range(len(shares))], autopct="%1.1f%%")


def _boxes(axes: Axes, rng: Generator) -> None:
    values = [rng.normal(rng.normal(), rng.uniform(0.4, 2), 90) for _ in range(rng.integers(2, 9))]
    if rng.random() < 0.5:
        axes.boxplot(values)
    else:
        axes.violinplot(values, showmedians=True)


def _areas(axes: Axes, rng: Generator) -> None:
    layers = rng.gamma(2, 1, (rng.integers(2, 6), 40))
    axes.stackplot(range(40), layers, labels=[f"layer {n}" for n in range(len(layers))])


def _arrows(axes: Axes, rng: Generator) -> None:
    x, y = np.meshgrid(np.linspace(-2, 2, 15), np.linspace(-2, 2, 15))
    a, b = rng.uniform(-2, 2, 2)
    axes.quiver(x, y, np.cos(a * y), np.sin(b * x), np.hypot(x, y), cmap=rng.choice(_PALETTES))


def _errors(axes: Axes, rng: Generator) -> None:
    x = np.arange(rng.integers(5, 25))
    axes.errorbar(
        x,
        np.cumsum(rng.normal(size=len(x))),
        rng.uniform(0.2, 1.5, len(x)),
        fmt="o-",
        capsize=3,
        label="mean and deviation",
    )


_KINDS: tuple[Callable[[Axes, Generator], None], ...] = (
    _lines, _bars, _dots, _histogram, _matrix, _contours,
    _surface, _pie, _boxes, _areas, _arrows, _errors,
)  # fmt: skip
