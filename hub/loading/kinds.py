"""The protocols of one generation, and who speaks which."""

from __future__ import annotations

import inspect
from collections.abc import Collection, Coroutine, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import FunctionType, MappingProxyType
from typing import Final, cast

from hub.config.key import suggestion
from hub.config.load import Config
from hub.config.tables.types import CORE_PROTOCOLS
from hub.dispatch.failure import where
from hub.hooks.listeners import ListenerKind, ListenerSession, Over, provide_listeners
from hub.hooks.markers import FIRST, SKIP, SpecOptions
from hub.loading.catalogue import Catalogue
from hub.loading.compile import Hook, Part, check_function, fault
from hub.loading.errors import LoadError, LoadErrors
from hub.loading.scope import Scope


@dataclass(frozen=True, slots=True)
class Speaker:
    """A protocol with the plugin that speaks it. accepts: what its function names."""

    kind: ListenerKind
    scope: Scope
    function: FunctionType
    accepts: tuple[str, ...]

    def serve(self, session: ListenerSession) -> Coroutine[object, object, None]:
        """Speak on one connection."""
        offered: dict[str, object] = {"plugin": self.scope, "session": session}
        named = {name: offered[name] for name in self.accepts}
        return cast("Coroutine[object, object, None]", self.function(**named))

    def farewell(self, why: Over, text: str) -> bytes:
        """What a client is told last; nothing if the plugin cannot say it."""
        try:
            return self.kind.farewell(why, text)
        except Exception as error:
            self.scope.log.error("a farewell failed", reason=f"{type(error).__name__}: {error}")
            return b""

    def where(self, error: BaseException) -> str:
        """File and line of the plugin's that an error comes from."""
        return where(error.__cause__ or error, self.function.__code__)


_HOOK: Final = Hook(
    provide_listeners.__name__, SpecOptions(FIRST, SKIP, 1.0, None), ("plugin", "session"), (), is_async=True
)
"""What serves a session is checked as if there were a hook of it."""


def gather_kinds(provided: Sequence[tuple[Part, ListenerKind]]) -> Mapping[str, Speaker]:
    """Protocol → who speaks it. LoadErrors that name both where two want the same."""
    errors: list[LoadError] = []
    speakers: dict[str, Speaker] = {}
    for part, kind in provided:
        function = kind.serve
        if not isinstance(function, FunctionType) or not inspect.iscoroutinefunction(function):
            said = f"what serves {kind.protocol} is not an `async def`"
            errors.append(LoadError(part.scope.name, said, hint="See: hub hooks provide_listeners"))
            continue
        errors += check_function(part, function, f"what serves {kind.protocol}", _HOOK)
        names = tuple(name for name in inspect.signature(function).parameters if name in _HOOK.parameters)
        taken = speakers.setdefault(kind.protocol, Speaker(kind, part.scope, function, names))
        if taken.function is not function:
            who = "the plugin itself" if taken.scope is part.scope else f"the plugin '{taken.scope.name}'"
            said = f"'{part.scope.name}' wants to speak {kind.protocol}, and {who} does already"
            errors.append(fault(part, function, said))
    if errors:
        raise LoadErrors(errors)
    return MappingProxyType(speakers)


def unspoken(
    config: Config, kinds: Mapping[str, ListenerKind], installed: Collection[str] = ()
) -> Iterator[LoadError]:
    """The listeners whose protocol nobody speaks. installed: plugins that are there, enabled or not."""
    for name, listener in config.settings.listeners.items():
        base = listener.base
        if listener.protocol in CORE_PROTOCOLS:
            continue
        if base in kinds and (kinds[base].tls_port or not listener.is_implicit):
            continue
        origin = config.origin_at(("listeners", name, "protocol"))
        if base in kinds:
            said = f"{base} does not begin with TLS"
            hint = f'Write protocol = "{base}".'
        elif base in installed:
            said = f"nobody speaks {listener.protocol}"
            hint = f"Add '{base}' to [hub] plugins."
        else:
            said = f"no plugin that is enabled speaks {listener.protocol}"
            hint = suggestion(listener.protocol, [*CORE_PROTOCOLS, *kinds])
        yield LoadError("hub", f"listener '{name}': {said}", origin.name, origin.line, hint)


def check_listeners(config: Config, catalogue: Catalogue | None, speakers: Mapping[str, Speaker]) -> None:
    """LoadErrors for listeners whose protocol nobody speaks."""
    kinds = {name: speaker.kind for name, speaker in speakers.items()}
    if errors := list(unspoken(config, kinds, catalogue.sources if catalogue else ())):
        raise LoadErrors(errors)
