"""Values as operators read them."""

from __future__ import annotations

from typing import Final

_SPANS: Final = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))
_UNITS: Final = ("octets", "KiB", "MiB", "GiB", "TiB")


def span(seconds: float) -> str:
    """300 → `5 min`."""
    length, unit = next((each for each in _SPANS if seconds >= 2 * each[0]), _SPANS[-1])
    return f"{seconds / length:.3g} {unit}"


def size(octets: float) -> str:
    """1073741824 → `1 GiB`."""
    for unit in _UNITS:
        if octets < 1024 or unit == _UNITS[-1]:
            break
        octets /= 1024
    return f"{octets:.3g} {unit}"


def shown(metric: str, value: float) -> str:
    """A value of a metric with its unit."""
    if metric == "queue_age":
        return span(value)
    if metric == "disk_free":
        return size(value)
    if metric == "disk_free_percent":
        return f"{value:.1f} %"
    return f"{value:g}"
