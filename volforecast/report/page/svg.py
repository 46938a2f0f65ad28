"""Drawings as inline SVG: axes, lines, marks, and nothing that is not the page's own.

Colours, line widths and fonts come from the page's style sheet through classes (``c-mtl``, ``line``), so that one
drawing is legible on a light page, on a dark one and on paper. Coordinates are written to a tenth of a unit: the same
numbers give the same bytes. Every text is escaped.
"""

from collections.abc import Sequence
from typing import Final, Literal, NamedTuple

import numpy as np
from markupsafe import Markup, escape
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
Shape = Literal["square", "triangle", "circle", "diamond"]

WIDTH: Final = 380.0  # user units; about a phone's width, so that text stays legible there
TEXT: Final = 10.0
_CHARACTER: Final = 6.2  # mean width of a character of that size
_RIGHT: Final = 8.0


class Axis(NamedTuple):
    """One direction of a plot.

    Attributes:
        low: Value at its start.
        high: Value at its end, above ``low``.
        ticks: Where the grid is and values are written.
        label: What it measures.
        log: Whether equal steps are equal ratios.
        names: Words in place of the ticks' values.
    """

    low: float
    high: float
    ticks: Sequence[float]
    label: str
    log: bool = False
    names: Sequence[str] = ()

    def place(self, values: FloatArray) -> FloatArray:
        """Values as shares of the way from start to end; NaN stays."""
        if self.log:
            positive = np.where(values > 0.0, values, np.nan)
            share = np.log(positive / self.low) / np.log(self.high / self.low)
        else:
            share = (values - self.low) / (self.high - self.low)
        return np.asarray(share, dtype=np.float64)

    def texts(self) -> list[str]:
        """What is written at the ticks."""
        return list(self.names) if self.names else [number(tick) for tick in self.ticks]


class Key(NamedTuple):
    """An entry of a legend: words, colour class, and how it is drawn."""

    words: str
    colour: str
    shape: Shape | Literal["line", "dots", "thin"]


class Plot:
    """A plot that is drawn element by element.

    Args:
        height: Of the plotting area, user units.
        x: Horizontal axis.
        y: Vertical axis; its start is at the bottom.
        legend: Entries above the plot.
    """

    def __init__(self, height: float, x: Axis, y: Axis, legend: Sequence[Key] = ()) -> None:
        self.x, self.y = x, y
        longest = max((len(text) for text in y.texts()), default=1)
        self.left = 8.0 + _CHARACTER * longest
        self.width = WIDTH - _RIGHT - self.left
        rows = _legend_rows(legend, self.left)
        self.top = 8.0 + 15.0 * len(rows) + (16.0 if y.label else 0.0)
        self.height = height
        self.parts: list[str] = []
        for line, row in enumerate(rows):
            for start, key in row:
                self._key(start, 12.0 + 15.0 * line, key)
        self._axes()

    def line(self, xs: FloatArray, ys: FloatArray, colour: str, kind: str = "line") -> None:
        """A line through the points; it has a gap wherever a value is missing."""
        steps, drawing = [], False
        for x, y in zip(self._across(xs), self._up(ys), strict=True):
            if np.isfinite(x) and np.isfinite(y):
                steps.append(f"{'L' if drawing else 'M'}{x:.1f} {y:.1f}")
                drawing = True
            else:
                drawing = False
        if steps:
            self.parts.append(f'<path class="{kind} {colour}" d="{"".join(steps)}"/>')

    def dots(self, xs: FloatArray, ys: FloatArray, colour: str, kind: str = "dots") -> None:
        """A small dot at each point (``kind`` ``bars``: a short upright stroke)."""
        step = "v8" if kind == "bars" else "h0"
        lift = 4.0 if kind == "bars" else 0.0
        places = zip(self._across(xs), self._up(ys) - lift, strict=True)
        steps = "".join(f"M{x:.1f} {y:.1f}{step}" for x, y in places if np.isfinite(x) and np.isfinite(y))
        if steps:
            self.parts.append(f'<path class="{kind} {colour}" d="{steps}"/>')

    def marks(self, xs: FloatArray, ys: FloatArray, colour: str, shape: Shape) -> None:
        """A mark of a shape at each point."""
        for x, y in zip(self._across(xs), self._up(ys), strict=True):
            if np.isfinite(x) and np.isfinite(y):
                self.parts.append(_mark(float(x), float(y), colour, shape))

    def band(self, xs: FloatArray, low: FloatArray, high: FloatArray, colour: str) -> None:
        """The area between two lines, which must have no gaps."""
        across = np.concatenate([self._across(xs), self._across(xs)[::-1]])
        points = zip(across, np.concatenate([self._up(low), self._up(high)[::-1]]), strict=True)
        self.parts.append(f'<path class="band {colour}" d="M{"L".join(f"{x:.1f} {y:.1f}" for x, y in points)}Z"/>')

    def across(self, value: float) -> None:
        """A dashed line at a height."""
        y = float(self._up(np.array([value]))[0])
        self.parts.append(f'<path class="rule" d="M{self.left:.1f} {y:.1f}h{self.width:.1f}"/>')

    def upright(self, value: float) -> None:
        """A dashed line at a place of the horizontal axis."""
        x = float(self._across(np.array([value]))[0])
        self.parts.append(f'<path class="rule" d="M{x:.1f} {self.top:.1f}v{self.height:.1f}"/>')

    def render(self, alternative: str) -> Markup:
        """The element; ``alternative`` is for those who cannot see it."""
        total = self.top + self.height + (33.0 if self.x.label else 19.0)
        body = "\n".join(self.parts)
        name = escape(alternative)
        return Markup(f'<svg viewBox="0 0 {WIDTH:.0f} {total:.0f}" role="img" aria-label="{name}">\n{body}\n</svg>\n')

    def _across(self, values: FloatArray) -> FloatArray:
        return self.left + self.width * self.x.place(np.asarray(values, dtype=np.float64))

    def _up(self, values: FloatArray) -> FloatArray:
        return self.top + self.height * (1.0 - self.y.place(np.asarray(values, dtype=np.float64)))

    def _axes(self) -> None:
        bottom, right = self.top + self.height, self.left + self.width
        xs, ys = self._across(np.array(self.x.ticks, dtype=float)), self._up(np.array(self.y.ticks, dtype=float))
        grid = "".join(f"M{x:.1f} {self.top:.1f}v{self.height:.1f}" for x in xs)
        grid += "".join(f"M{self.left:.1f} {y:.1f}h{self.width:.1f}" for y in ys)
        self.parts.append(f'<path class="grid" d="{grid}"/>')
        for x, text in zip(xs, self.x.texts(), strict=True):
            half = _CHARACTER * len(text) / 2.0
            anchor = ' class="end"' if x + half > WIDTH else ' class="mid"'
            place = WIDTH - 1.0 if x + half > WIDTH else x
            self.parts.append(f'<text{anchor} x="{place:.1f}" y="{bottom + 14:.1f}">{escape(text)}</text>')
        for y, text in zip(ys, self.y.texts(), strict=True):
            self.parts.append(f'<text class="end" x="{self.left - 5:.1f}" y="{y + 3.4:.1f}">{escape(text)}</text>')
        if self.x.label:
            middle = (self.left + right) / 2.0
            self.parts.append(
                f'<text class="mid soft" x="{middle:.1f}" y="{bottom + 29:.1f}">{escape(self.x.label)}</text>'
            )
        if self.y.label:
            self.parts.append(f'<text class="soft" x="2" y="{self.top - 8:.1f}">{escape(self.y.label)}</text>')

    def _key(self, x: float, y: float, key: Key) -> None:
        if key.shape == "line" or key.shape == "thin":
            dash = f" {key.colour}-dash" if key.shape == "line" else ""
            self.parts.append(f'<path class="{key.shape} {key.colour}{dash}" d="M{x:.1f} {y - 3.5:.1f}h15"/>')
        elif key.shape == "dots":
            steps = "".join(f"M{x + step:.1f} {y - 3.5:.1f}h0" for step in (2.0, 7.5, 13.0))
            self.parts.append(f'<path class="dots {key.colour}" d="{steps}"/>')
        else:
            self.parts.append(_mark(x + 7.5, y - 3.5, key.colour, key.shape))
        self.parts.append(f'<text x="{x + 20:.1f}" y="{y:.1f}">{escape(key.words)}</text>')


def number(value: float) -> str:
    """A tick's value without needless digits."""
    if value == 0.0:
        return "0"
    if 1e4 <= abs(value) < 1e6:  # short enough to stand beside the next decade's
        return f"{value / 1e3:.10g}k"
    return f"{value:,.10g}" if 1e-4 <= abs(value) < 1e6 else f"{value:.0e}"


def log_axis(values: FloatArray, label: str, *, including: float | None = 1.0, most: int = 7) -> Axis:
    """A logarithmic axis that holds all positive values, and one more, with round ticks."""
    shown = values[np.isfinite(values) & (values > 0.0)]
    if including is not None:
        shown = np.append(shown, including)
    low, high = (float(shown.min()), float(shown.max())) if len(shown) else (0.5, 2.0)
    margin = max((high / low) ** 0.04, 1.02)
    low, high = low / margin, high * margin
    return Axis(low, high, log_ticks(low, high, most), label, log=True)


def linear_axis(values: FloatArray, label: str, *, including: float = 0.0, most: int = 6) -> Axis:
    """A linear axis that holds all values, and one more, with round ticks."""
    shown = np.append(values[np.isfinite(values)], including)
    low, high = float(shown.min()), float(shown.max())
    margin = 0.05 * (high - low) or 0.5
    low, high = low - margin, high + margin
    step = 10.0 ** np.floor(np.log10((high - low) / most))
    step *= next(factor for factor in (1, 2, 5, 10) if (high - low) / (step * factor) <= most)
    first, last = int(np.ceil(low / step)), int(np.floor(high / step))
    return Axis(low, high, [float(f"{count * step:.10g}") for count in range(first, last + 1)], label)


def log_ticks(low: float, high: float, most: int = 7) -> Sequence[float]:
    """Round numbers between two positive ones, at most ``most``: the densest of some usual ladders that fits."""
    decades = range(int(np.floor(np.log10(low))), int(np.floor(np.log10(high))) + 1)
    ladders = (
        [1.0, 1.25, 1.5, 2, 2.5, 3, 4, 5, 6, 7, 8, 9],
        [1, 1.5, 2, 3, 4, 6, 8],
        [1, 2, 4, 7],
        [1, 2, 5],
        [1, 3],
        [1],
    )
    for ladder in ladders:
        ticks = [step * 10.0**decade for decade in decades for step in ladder if low <= step * 10.0**decade <= high]
        if len(ticks) <= most:
            return [float(f"{tick:.3g}") for tick in ticks]
    return [float(f"{tick:.3g}") for tick in ticks[:: -(-len(ticks) // most)]]


def _legend_rows(legend: Sequence[Key], left: float) -> list[list[tuple[float, Key]]]:
    """The entries with where they begin, in as many rows as they need."""
    rows: list[list[tuple[float, Key]]] = []
    at = WIDTH
    for key in legend:
        needed = 32.0 + _CHARACTER * len(key.words)
        if not rows or at + needed > WIDTH:
            rows.append([])
            at = min(left, 4.0)
        rows[-1].append((at, key))
        at += needed
    return rows


def _mark(x: float, y: float, colour: str, shape: Shape) -> str:
    if shape == "circle":
        return f'<circle class="mark {colour}" cx="{x:.1f}" cy="{y:.1f}" r="3.4"/>'
    outline = {
        "square": f"M{x - 3:.1f} {y - 3:.1f}h6v6h-6z",
        "triangle": f"M{x:.1f} {y - 3.9:.1f}l3.7 6.7h-7.4z",
        "diamond": f"M{x:.1f} {y - 4:.1f}l4 4l-4 4l-4 -4z",
    }[shape]
    return f'<path class="mark {colour}" d="{outline}"/>'
