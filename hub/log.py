"""The structured log: one line per event, carrying the session, the message and the plugin that it belongs
to.

Nothing is imported until the first line is written, so that a command that logs nothing stays quick.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator, MutableMapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from types import MappingProxyType, ModuleType
from typing import TYPE_CHECKING, Final, Literal, TextIO, TypeAlias, cast

from hub.config.secrets import MASK, Secret
from hub.errors.logged import LOGGED
from hub.mail.address import Address
from hub.mail.redaction import Policy, redacted

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger, Processor

Level: TypeAlias = Literal["debug", "info", "warning", "error"]
Form: TypeAlias = Literal["console", "json"]
Event: TypeAlias = MutableMapping[str, object]

SESSION: Final[ContextVar[str | None]] = ContextVar("hub_session", default=None)
"""The id of the session that this task works for."""

SENDER: Final[ContextVar[Address | None]] = ContextVar("hub_sender", default=None)
"""The reverse-path of the message that this task works for."""

MESSAGE: Final[ContextVar[str | None]] = ContextVar("hub_message", default=None)
"""The id of the message that this task works for."""


@dataclass(frozen=True, slots=True)
class Raised:
    """More lines for a while: those of a plugin, or those about a sender's mail."""

    level: Level
    plugin: str | None = None
    sender: Address | None = None

    def concerns(self, event: Event) -> bool:
        """Whether a line is one of them."""
        if self.plugin is not None:
            return event.get("plugin") == self.plugin
        about = event.get("sender") or SENDER.get()
        return isinstance(about, Address) and str(about).lower() == str(self.sender).lower()


@contextmanager
def _without(module: str) -> Iterator[None]:
    """Meanwhile it is to everybody as if it were not installed, unless it has been imported."""
    absent = sys.modules.setdefault(module, cast(ModuleType, None)) is None
    try:
        yield
    finally:
        if absent:
            del sys.modules[module]


class LazyLogger:
    """A logger with fixed fields that imports structlog with its first line."""

    __slots__ = ("_fields", "_logger")

    def __init__(self, fields: dict[str, object]) -> None:
        self._fields = fields
        self._logger: FilteringBoundLogger | None = None

    def debug(self, event: str, /, **fields: object) -> None:
        """Of use to who debugs the hub."""
        self._bound().debug(event, **fields)

    def info(self, event: str, /, **fields: object) -> None:
        """Of use to the operator, on a normal day."""
        self._bound().info(event, **fields)

    def warning(self, event: str, /, **fields: object) -> None:
        """The operator should look at it some day."""
        self._bound().warning(event, **fields)

    def error(self, event: str, /, **fields: object) -> None:
        """The operator should look at it now; exc_info=True or an exception adds its traceback."""
        self._bound().error(event, **fields)

    def _bound(self) -> FilteringBoundLogger:
        if self._logger is None:
            import structlog

            self._logger = structlog.get_logger(**self._fields)
        return self._logger


def get_logger(**fields: object) -> LazyLogger:
    """A logger whose lines all carry the fields, such as `area="smtp"`."""
    return LazyLogger(fields)


def configure(
    level: Level = "info",
    form: Form = "console",
    stream: TextIO | None = None,
    *,
    addresses: Policy = "full",
    raised: Sequence[Raised] = (),
) -> None:
    """Say what is logged and how: for people, or as one JSON object per line.

    It goes to stderr unless told otherwise. What other libraries write to the standard library's logging
    comes out the same way, from warnings on. addresses: how mail addresses are shown; raised: whose lines are
    logged below the level too.
    """
    with _without("rich"):  # it would show tracebacks, not in our way, and takes longer than all else
        import structlog

    stream = stream or cast(TextIO, _Stderr())
    least = _NUMBERS[level]
    shared: list[Processor] = [
        _add_context,
        structlog.processors.add_log_level,
        *([structlog.processors.format_exc_info] if form == "json" else []),
        _redaction(addresses),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    last: list[Processor]
    if form == "json":
        last = [structlog.processors.JSONRenderer(default=str)]
    else:
        last = [
            _escape,
            structlog.dev.ConsoleRenderer(
                colors=stream.isatty(),
                # Its own choice shows all variables: messages, addresses and passwords among them.
                exception_formatter=structlog.dev.plain_traceback,
            ),
        ]
    chosen: list[Processor] = [_choice(least, raised)] if raised else []
    lowest = min([least, *(_NUMBERS[each.level] for each in raised)])
    structlog.configure(
        processors=[*chosen, *shared, *last],
        wrapper_class=structlog.make_filtering_bound_logger(lowest),
        # A line is one write: several processes write to the same file.
        logger_factory=structlog.WriteLoggerFactory(stream),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(max(least, logging.WARNING))


class _Stderr:
    """Standard error as it is when a line is written, for whoever runs a verb in-process replaces it."""

    def write(self, text: str) -> int:
        return sys.stderr.write(text)

    def flush(self) -> None:
        sys.stderr.flush()

    def isatty(self) -> bool:
        return sys.stderr.isatty()


_NUMBERS: Final = MappingProxyType({"debug": 10, "info": 20, "warning": 30, "error": 40})


def _choice(least: int, raised: Sequence[Raised]) -> Processor:
    """Drop what is below the level, unless it is somebody's whose level is raised."""
    import structlog

    def choose(_logger: object, method: str, event: Event) -> Event:
        number = _NUMBERS.get(method, least)
        if number < least and not any(
            number >= _NUMBERS[each.level] and each.concerns(event) for each in raised
        ):
            raise structlog.DropEvent
        return event

    return choose


def _redaction(policy: Policy) -> Processor:
    """Show addresses as the operator wants them, and secrets never."""

    def redact(_logger: object, _method: str, event: Event) -> Event:
        for name, value in event.items():
            if name != "event":
                event[name] = MASK if isinstance(value, Secret) else redacted(value, policy)
        return event

    return redact


def _add_context(_logger: object, _method: str, event: Event) -> Event:
    for name, variable in (("session", SESSION), ("message", MESSAGE)):
        if value := variable.get():
            event.setdefault(name, value)
    known = LOGGED.get(str(event.get("event")))
    if known is not None:
        event.setdefault("error", known.code)
    return event


def _escape(_logger: object, _method: str, event: Event) -> Event:
    """What a client sent must not move the operator's cursor; a traceback keeps its lines."""
    for name, value in event.items():
        if isinstance(value, str) and not value.isprintable():
            event[name] = "".join(map(_printable, value))
    return event


def _printable(character: str) -> str:
    return character if character.isprintable() or character == "\n" else ascii(character)[1:-1]
