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
from typing import Final

from hub.tls.context import server_context, set_minimum

DAY: Final = 86400.0
DAYS: Final = 200
"""For how many days keys are made beforehand: 15 KB and 0.2 ms each."""


class Tickets:
    """Contexts without a certificate, one for each day; made once and inherited by workers.

    When all are used up each worker makes its own: a ticket then resumes where it was given, and costs a
    whole handshake elsewhere, until the hub is started again.
    """

    def __init__(self, days: int = 1, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._first = self._today()
        self._days = {self._first + n: server_context() for n in range(days)}

    def context(self, minimum: str) -> ssl.SSLContext:
        """What a connection begins with now."""
        today = self._today()
        found = self._days.get(today)
        if found is None:
            found = self._days[today] = server_context()
        if today != self._first:
            self.forget()
        set_minimum(found, minimum)
        return found

    def forget(self) -> None:
        """Drop the keys of the days that are over."""
        self._first = self._today()
        for day in [day for day in self._days if day < self._first]:
            del self._days[day]

    def _today(self) -> int:
        return int(self._now() // DAY)
