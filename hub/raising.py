"""More lines in the log for a while, about one sender or one plugin."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Final, cast, get_args

from hub.config.tables.observing import LogTable
from hub.log import Level, Raised, configure, get_logger
from hub.mail.address import Address
from hub.services.clock import Clock
from hub.trace.record import Trace

LONGEST: Final = 24 * 60.0
"""Minutes that it lasts at most, for it is meant to be forgotten."""

_log = get_logger(area="trace")


class Raising:
    """Whose level is raised in this process."""

    def __init__(self, clock: Clock, settings: Callable[[], LogTable]) -> None:
        self._clock = clock
        self._settings = settings
        self._raised: list[Raised] = []
        self._tasks: set[asyncio.Task[None]] = set()

    def __bool__(self) -> bool:
        return bool(self._raised)

    def apply(self) -> None:
        """Log as the configuration says, and what is raised besides."""
        table = self._settings()
        configure(table.level, table.format, addresses=table.addresses, raised=tuple(self._raised))

    def add(self, request: Mapping[str, object]) -> Mapping[str, object]:
        """Raise for who the request names: `sender` or `plugin`, `level`, `minutes`. ValueError."""
        raised, minutes = _read(request)
        self._raised.append(raised)
        self.apply()
        task = asyncio.get_running_loop().create_task(self._expire(raised, minutes * 60))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        _log.info("log level raised", **_about(raised), to=raised.level, minutes=minutes)
        return {"minutes": minutes, "level": raised.level}

    def tell(self, trace: Trace) -> None:
        """Write a line for each record of a trace that concerns somebody whose level is raised to debug."""
        records = trace.records
        for raised in [each for each in self._raised if each.level == "debug"]:
            wanted = f"<{raised.sender}>".lower()
            messages = {
                record[1] for record in records if record[3] == "MAIL" and wanted in record[7].lower()
            } - {None}
            for offset, message, kind, name, plugin, outcome, took, detail in records:
                if plugin == raised.plugin if raised.plugin is not None else message in messages:
                    _log.debug(
                        f"{kind} {name}",
                        **_about(raised) | ({"plugin": plugin} if plugin else {}),
                        session=trace.session_id,
                        message=message,
                        outcome=outcome,
                        detail=detail,
                        at_ms=offset / 1000,
                        took_ms=took / 1000,
                    )

    async def close(self) -> None:
        """End all of them."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _expire(self, raised: Raised, seconds: float) -> None:
        await self._clock.sleep(seconds)
        self._raised.remove(raised)
        self.apply()


def _about(raised: Raised) -> dict[str, object]:
    return {"plugin": raised.plugin} if raised.plugin is not None else {"sender": raised.sender}


def _read(request: Mapping[str, object]) -> tuple[Raised, float]:
    sender, plugin = request.get("sender"), request.get("plugin")
    level, minutes = request.get("level", "debug"), request.get("minutes", 10)
    if isinstance(sender, str) == isinstance(plugin, str):
        raise ValueError("name either a sender or a plugin")
    if level not in get_args(Level):
        raise ValueError(f"the level is one of {', '.join(get_args(Level))}")
    if not isinstance(minutes, int | float) or not 0 < minutes <= LONGEST:
        raise ValueError(f"the minutes are more than 0 and at most {LONGEST:.0f}")
    address = Address.parse(sender) if isinstance(sender, str) else None
    return Raised(cast(Level, level), plugin if isinstance(plugin, str) else None, address), float(minutes)
