"""When a message says that it was sent: its Date field (RFC 5322 §3.3), read as leniently as mail needs."""

from __future__ import annotations

import re
from datetime import date
from email.utils import parsedate_tz
from types import MappingProxyType
from typing import NamedTuple

DAY = 86400
_EPOCH = date(1970, 1, 1).toordinal()
_NAMES = b"jan feb mar apr may jun jul aug sep oct nov dec".split()
_MONTHS = MappingProxyType({name: number for number, name in enumerate(_NAMES, 1)})
# What nearly all mail has. Anything else is left to the parser that knows the obsolete forms.
_USUAL = re.compile(
    rb"(?:[A-Za-z]{3}, ?)?+([0-9]{1,2}) ([A-Za-z]{3}) ([0-9]{4}) "
    rb"([0-9]{2}):([0-9]{2})(?::([0-9]{2}))?+ ([+-])([0-9]{2})([0-9]{2})(?: |\Z)"
)


class SentDate(NamedTuple):
    """seconds: since the epoch. day: the day that is written there, whatever its zone, since the epoch."""

    seconds: int
    day: int


def sent_date(value: bytes) -> SentDate | None:
    """The moment that an unfolded Date field names, None if there is no day in it (RFC 5256 §2.2).

    A time that cannot be is midnight, a zone that cannot be is UTC.
    """
    usual = _USUAL.match(value)
    if usual is not None:
        day, month, year, hour, minute, second, sign, hours, minutes = usual.groups()
        number = _MONTHS.get(month.lower(), 0)
        zone = (int(hours) * 60 + int(minutes)) * 60
        found = (int(year), number, int(day), int(hour), int(minute), int(second or 0))
        return _moment(*found, -zone if sign == b"-" else zone)
    try:
        parsed = parsedate_tz(value.decode("latin-1"))
    except (ValueError, IndexError, OverflowError):
        return None
    return None if parsed is None else _moment(*parsed[:6], parsed[9] or 0)


def days(year: int, month: int, day: int) -> int:
    """Days since the epoch. ValueError."""
    return date(year, month, day).toordinal() - _EPOCH


def _moment(
    year: int, month: int, day: int, hour: int, minute: int, second: int, zone: int
) -> SentDate | None:
    try:
        number = days(year, month, day)
    except (ValueError, OverflowError):
        return None
    if not (0 <= hour < 24 and 0 <= minute < 60 and 0 <= second <= 60):
        hour = minute = second = 0
    if abs(zone) > DAY:
        zone = 0
    return SentDate(number * DAY + hour * 3600 + minute * 60 + second - zone, number)
