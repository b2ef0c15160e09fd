"""Charts as text: their axes, their shapes, and that they say nothing new when nothing changed."""

from xml.etree import ElementTree

import pytest

from bench.svg import BOTTOM, LEFT, RIGHT, TOP, Bars, Chart, Lines, linear_ticks, log_ticks, svg, tick_label

SVG = "{http://www.w3.org/2000/svg}"
BARS = Bars(
    "rate", "Mail & more", "mails/s", ["4 KiB", "64 KiB"], {"hub": [4000, 800], "Postfix": [500, None]}
)
LINES = Lines(
    "cpu", "Cost", "rows", "µs", {"hub": [(10, 200), (1_000, 210), (100_000, 2_000)]}, log_x=True, log_y=True
)


def drawn(chart: Chart) -> ElementTree.Element:
    return ElementTree.fromstring(svg(chart))


def texts(chart: Chart) -> list[str]:
    return [each.text or "" for each in drawn(chart).iter(f"{SVG}text")]


def test_bars_are_as_high_as_their_values_and_stand_on_the_axis() -> None:
    bars = [each.attrib for each in drawn(BARS).iter(f"{SVG}rect") if "y" in each.attrib][
        2:
    ]  # after the legend
    heights = [float(each["height"]) for each in bars]
    assert len(heights) == 3
    assert heights[0] == pytest.approx(BOTTOM - TOP)  # 4,000 is the highest tick
    assert heights[1] / heights[0] == pytest.approx(500 / 4000, abs=0.001)
    assert all(float(each["y"]) + float(each["height"]) == pytest.approx(BOTTOM, abs=0.11) for each in bars)
    lefts = [float(each["x"]) for each in bars]
    assert lefts == sorted(lefts)
    assert lefts[0] > LEFT
    assert lefts[-1] + float(bars[-1]["width"]) < RIGHT


def test_a_bar_below_zero_has_no_height_but_its_number() -> None:
    chart = Bars("b", "B", "KiB", ["small"], {"hub": [-6.0], "Postfix": [12.0]})
    heights = [float(each.attrib["height"]) for each in drawn(chart).iter(f"{SVG}rect")][3:]
    assert heights[0] == 0 < heights[1]
    assert "-6" in texts(chart)


def test_a_chart_names_its_title_its_unit_its_groups_and_its_series() -> None:
    assert {"Mail & more", "mails/s", "4 KiB", "64 KiB", "hub", "Postfix", "4,000"} <= set(texts(BARS))
    assert {"Cost", "µs", "rows", "10", "100,000"} <= set(texts(LINES))


def test_decades_lie_equally_far_apart_on_a_logarithmic_axis() -> None:
    [line] = drawn(LINES).iter(f"{SVG}polyline")
    (left, low), (middle, near), (right, high) = (
        tuple(map(float, point.split(","))) for point in line.attrib["points"].split()
    )
    assert middle - left == pytest.approx(right - middle)
    assert low > near > high  # upwards is less
    assert (left, right) == (LEFT, RIGHT)


def test_a_line_over_a_linear_axis_begins_at_zero() -> None:
    [line] = drawn(Lines("m", "Memory", "mails", "MiB", {"hub": [(5, 50), (10, 100)]})).iter(f"{SVG}polyline")
    assert line.attrib["points"].split() == [
        f"{(LEFT + RIGHT) / 2:.1f},{(TOP + BOTTOM) / 2:.1f}",
        f"{RIGHT:.1f},{TOP:.1f}",
    ]


def test_the_same_figures_give_the_same_text() -> None:
    assert svg(LINES) == svg(LINES)
    assert svg(BARS) != svg(Bars("rate", BARS.title, BARS.unit, BARS.groups, {"hub": [1, 2]}))


@pytest.mark.parametrize(
    "chart", [Bars("b", "B", "u", ["g"], {"hub": [None]}), Lines("l", "L", "x", "y", {"hub": []})]
)
def test_without_figures_a_chart_is_empty_but_whole(chart: Chart) -> None:
    assert [chart.title] == [each.text for each in drawn(chart).iter(f"{SVG}title")]


@pytest.mark.parametrize(
    ("high", "last", "count"), [(4000, 4000, 5), (4001, 5000, 6), (0.31, 0.35, 8), (9, 10, 6), (0, 1, 2)]
)
def test_linear_ticks_are_round_and_reach_the_highest_value(high: float, last: float, count: int) -> None:
    ticks = linear_ticks(high)
    assert ticks[0] == 0
    assert ticks[-1] == pytest.approx(last)
    assert len(ticks) == count


def test_logarithmic_ticks_are_the_powers_of_ten_around_the_values() -> None:
    assert log_ticks(3, 2_500) == [1, 10, 100, 1_000, 10_000]
    assert log_ticks(10, 10) == [10, 100]


def test_labels_are_short() -> None:
    assert [tick_label(value) for value in (0, 0.05, 2, 2.5, 1_000_000)] == [
        "0",
        "0.05",
        "2",
        "2.5",
        "1,000,000",
    ]
