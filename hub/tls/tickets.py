"""The keys of session tickets (RFC 8446 §4.6.1, RFC 5077): the same in all workers, another one each day.

Python gives no access to OpenSSL's ticket keys, but each context has one of its own from its making on, and a
connection keeps that of the context it was begun with, whichever certificate it is then given. So a context
for each day is made before the workers are forked. One whose day is over is dropped, and its key with it:
what was recorded until then is read by nobody.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from hub.tls.context import server_context

if TYPE_CHECKING:
    from OpenSSL import SSL

T = TypeVar("T")

DAY: Final = 86400.0
DAYS: Final = 200
"""For how many days keys are made beforehand: 15 KB and 0.2 ms each, 21 KB and 1.6 ms if stapled."""


class Daily(Generic[T]):
    """Something for each day, made beforehand for so many days; later on when it is asked for."""

    def __init__(self, make: Callable[[], T], days: int, now: Callable[[], float]) -> None:
        self._make = make
        self._now = now
        self._first = self._today()
        self._made = {self._first + n: make() for n in range(days)}

    def get(self) -> T:
        """Today's."""
        today = self._today()
        if today not in self._made:
            self._made[today] = self._make()
        self.forget()
        return self._made[today]

    def forget(self) -> None:
        """Drop those of the days that are over."""
        today = self._today()
        if today != self._first:
            self._first = today
            for day in [day for day in self._made if day < today]:
                del self._made[day]

    @property
    def began(self) -> float:
        """When today did, in seconds since the epoch."""
        return self._today() * DAY

    def _today(self) -> int:
        return int(self._now() // DAY)


class Tickets:
    """Contexts without a certificate, for each day; made once and inherited by workers.

    When all are used up each worker makes its own: a ticket then resumes where it was given, and costs a
    whole handshake elsewhere, until the hub is started again. plain: Python's. stapled: pyOpenSSL's, made
    beforehand only where certificates have a response to staple.
    """

    def __init__(
        self, days: int = 0, *, stapling: bool = False, now: Callable[[], float] = time.time
    ) -> None:
        self.now = now
        self.plain: Daily[ssl.SSLContext] = Daily(server_context, days, now)
        self.stapled: Daily[SSL.Context] = Daily(_stapled, days if stapling else 0, now)

    @property
    def oldest(self) -> float:
        """No session is resumed that began before this moment, in seconds since the epoch."""
        return self.plain.began

    def forget(self) -> None:
        """Drop the keys of the days that are over."""
        self.plain.forget()
        self.stapled.forget()


def _stapled() -> SSL.Context:
    from hub.tls.stapled import base_context  # a second OpenSSL, for who needs it

    return base_context()
