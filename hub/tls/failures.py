"""The handshakes that failed lately, explained: in memory, so many, and at so many in a second."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Final

from hub.log import get_logger
from hub.tls.explain import Explanation, Ours, explain
from hub.tls.hello import Hello

KEPT: Final = 300
"""Failures that a process remembers."""
EACH_SECOND: Final = 20
"""As many are explained; an explanation costs about what a handshake does, and anybody may cause them."""
QUIET: Final = 60.0
"""Seconds between two lines in the log about failures of one kind."""

_log = get_logger(area="tls")


@dataclass(frozen=True, slots=True)
class Failure:
    """at: seconds since 1970; client: address and port; session: empty if none had begun."""

    at: float
    client: str
    listener: str
    session: str
    explanation: Explanation

    def is_about(self, who: str) -> bool:
        """Whether it is of that session or that client, with its port or without."""
        return who in (self.session, self.client, self.client.rpartition(":")[0].strip("[]"))


class Failures:
    """Explains, keeps and tells. now: seconds since 1970."""

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._kept: deque[Failure] = deque(maxlen=KEPT)
        self._second, self._left = 0.0, EACH_SECOND
        self._told: dict[str, tuple[float, int]] = {}  # kind → quiet until, and how many have come since

    def note(
        self,
        octets: bytes,
        error: BaseException,
        ours_for: Callable[[Hello], Ours],
        *,
        peer: tuple[str, int],
        listener: str,
        session: str,
    ) -> str:
        """Explain a failure; gives the reason in a sentence, or what the error says if there are too many."""
        now = self._now()
        if int(now) != self._second:
            self._second, self._left = int(now), EACH_SECOND
        self._left -= 1
        if self._left < 0:
            return str(error)
        found = explain(octets, error, ours_for)
        client = f"[{peer[0]}]:{peer[1]}" if ":" in peer[0] else f"{peer[0]}:{peer[1]}"
        failure = Failure(now, client, listener, session, found)
        self._kept.append(failure)
        self._tell(failure)
        return found.why

    def last(self, count: int = KEPT, who: str | None = None) -> Sequence[dict[str, object]]:
        """The latest, oldest first, in plain values. who: a session, or an address with port or without."""
        found = [failure for failure in self._kept if who is None or failure.is_about(who)]
        return [asdict(failure) for failure in found[-count:]] if count > 0 else []

    def _tell(self, failure: Failure) -> None:
        kind = failure.explanation.kind
        until, more = self._told.get(kind, (0.0, 0))
        if failure.at < until:
            self._told[kind] = until, more + 1
            return
        self._told[kind] = failure.at + QUIET, 0
        _log.warning(
            "a TLS handshake failed",
            client=failure.client,
            listener=failure.listener,
            reason=failure.explanation.why,
            change=failure.explanation.change,
            **({"more_of_this_kind": more} if more else {}),
        )
