"""Charts for the reports, as SVG text: bars in groups, and lines over a linear or logarithmic axis.

The same chart gives the same text, so that a kept one changes only when its figures do.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

WIDTH: Final = 760
HEIGHT: Final = 380
LEFT: Final = 80
RIGHT: Final = WIDTH - 20
TOP: Final = 70
BOTTOM: Final = HEIGHT - 60
COLOURS: Final = ("#1f6fb4", "#e08a1e", "#3a9a4b", "#b5382f", "#7b55a8", "#6b6b6b")

Place = Callable[[float], float]


@dataclass(frozen=True, slots=True)
class Bars:
    """name: of its file. series: for each name, a value per group; None leaves a gap."""

    name: str
    title: str
    unit: str
    groups: Sequence[str]
    series: Mapping[str, Sequence[float | None]]


@dataclass(frozen=True, slots=True)
class Lines:
    """name: of its file. series: points by ascending x. log_x, log_y: for values above zero only."""

    name: str
    title: str
    x: str
    y: str
    series: Mapping[str, Sequence[tuple[float, float]]]
    log_x: bool = False
    log_y: bool = False


Chart = Bars | Lines


def svg(chart: Chart) -> str:
    """A whole document."""
    body = _bars(chart) if isinstance(chart, Bars) else _lines(chart)
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
            f'font-family="sans-serif" font-size="13" fill="#222">',
            f"<title>{escape(chart.title)}</title>",
            f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
            _text(LEFT, 24, chart.title, size=16),
            *_legend(chart.series),
            *body,
            "</svg>",
            "",
        ]
    )


def linear_ticks(high: float) -> Sequence[float]:
    """From 0 to at least `high`, four to ten steps of 1, 2 or 5 times a power of ten."""
    if high <= 0:
        return (0.0, 1.0)
    power = 10.0 ** math.floor(math.log10(high / 4))
    step = power * next(factor for factor in (10, 5, 2, 1) if high / (power * factor) >= 4)
    return [step * count for count in range(math.ceil(high / step - 1e-9) + 1)]


def log_ticks(low: float, high: float) -> Sequence[float]:
    """The powers of ten around both."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    return [10.0**power for power in range(first, max(last, first + 1) + 1)]


def tick_label(value: float) -> str:
    """Short, with thousands apart."""
    return f"{value:,.0f}" if value >= 10 or value == int(value) else f"{value:g}"


def _bars(chart: Bars) -> Iterable[str]:
    values = [value for series in chart.series.values() for value in series if value is not None]
    ticks = linear_ticks(max(values, default=0.0))
    place = _scale(ticks, BOTTOM, TOP, log=False)
    yield from _rulers(ticks, place, chart.unit)
    room = (RIGHT - LEFT) / len(chart.groups)
    width = room * 0.8 / len(chart.series)
    for group, name in enumerate(chart.groups):
        left = LEFT + room * (group + 0.1)
        yield _text(LEFT + room * (group + 0.5), BOTTOM + 20, name, anchor="middle", size=11)
        for number, series in enumerate(chart.series.values()):
            value = series[group]
            if value is None:
                continue
            x, y = left + width * number, min(place(value), BOTTOM)
            yield (
                f'<rect x="{x:.1f}" y="{y:.1f}" width="{width * 0.92:.1f}" height="{BOTTOM - y:.1f}" '
                f'fill="{_colour(number)}"/>'
            )
            yield _text(x + width * 0.46, y - 4, tick_label(_rounded(value)), anchor="middle", size=11)


def _lines(chart: Lines) -> Iterable[str]:
    points = [point for series in chart.series.values() for point in series]
    if not points:
        return
    x_ticks, place_x = _axis([x for x, _ in points], LEFT, RIGHT, log=chart.log_x)
    y_ticks, place_y = _axis([y for _, y in points], BOTTOM, TOP, log=chart.log_y)
    yield from _rulers(y_ticks, place_y, chart.y)
    for tick in x_ticks:
        yield _text(place_x(tick), BOTTOM + 20, tick_label(tick), anchor="middle")
    yield _text((LEFT + RIGHT) / 2, BOTTOM + 44, chart.x, anchor="middle")
    for number, series in enumerate(chart.series.values()):
        places = [(place_x(x), place_y(y)) for x, y in series]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        yield f'<polyline points="{path}" fill="none" stroke="{_colour(number)}" stroke-width="2"/>'
        for x, y in places if len(places) <= 20 else ():
            yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{_colour(number)}"/>'


def _axis(values: Sequence[float], begin: int, end: int, *, log: bool) -> tuple[Sequence[float], Place]:
    ticks = log_ticks(min(values), max(values)) if log else linear_ticks(max(values))
    return ticks, _scale(ticks, begin, end, log=log)


def _scale(ticks: Sequence[float], begin: int, end: int, *, log: bool) -> Place:
    """From a value to its place between `begin` and `end`."""
    low, high = (math.log10(ticks[0]), math.log10(ticks[-1])) if log else (ticks[0], ticks[-1])

    def place(value: float) -> float:
        at = math.log10(value) if log else value
        return begin + (end - begin) * (at - low) / (high - low)

    return place


def _rulers(ticks: Sequence[float], place: Place, unit: str) -> Iterable[str]:
    yield _text(12, TOP - 12, unit, size=12)
    for tick in ticks:
        y = place(tick)
        yield f'<path d="M{LEFT} {y:.1f}H{RIGHT}" stroke="{"#888" if tick == ticks[0] else "#ddd"}"/>'
        yield _text(LEFT - 8, y + 4, tick_label(tick), anchor="end")


def _legend(names: Iterable[str]) -> Iterable[str]:
    x = float(LEFT)
    for number, name in enumerate(names):
        yield f'<rect x="{x:.1f}" y="34" width="12" height="12" fill="{_colour(number)}"/>'
        yield _text(x + 17, 45, name)
        x += 36 + 7.2 * len(name)


def _text(x: float, y: float, text: str, *, anchor: str = "start", size: int = 13) -> str:
    place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}"'
    return f"<text {place}>{escape(text)}</text>"


def _colour(number: int) -> str:
    return COLOURS[number % len(COLOURS)]


def _rounded(value: float) -> float:
    """Three digits of it."""
    return float(f"{value:.3g}")
