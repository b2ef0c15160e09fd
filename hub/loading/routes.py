"""The HTTP paths of one generation, and who answers which."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import FunctionType, MappingProxyType
from typing import Final

from hub.dispatch.step import Step
from hub.hooks.http import Route, provide_routes
from hub.hooks.markers import FIRST, TEMPFAIL, SpecOptions
from hub.loading.compile import Hook, Part, check_function, fault, make_step
from hub.loading.errors import LoadError, LoadErrors

_PARAMETER: Final = re.compile(r"\\\{([a-z_]+)(:path)?\\\}")


@dataclass(frozen=True, slots=True)
class Answerer:
    """Who answers one method of a path. parameters: the names of what stands in the path's braces."""

    step: Step
    parameters: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Place:
    """All that is answered where paths of one shape lead. by: method → who answers it."""

    pattern: re.Pattern[str]
    by: dict[str, Answerer] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Routes:
    """Places by the shape of their paths, those without parameters and then the longest first."""

    places: Mapping[str, Place]

    @property
    def plugins(self) -> Sequence[str]:
        """Who answers anything."""
        answerers = (each for place in self.places.values() for each in place.by.values())
        return sorted({each.step.plugin for each in answerers})

    def find(self, path: str) -> tuple[Mapping[str, Answerer], tuple[str, ...]]:
        """Method → who answers it there, nobody if nothing is there; and what stood in the braces."""
        for place in self.places.values():
            found = place.pattern.fullmatch(path)
            if found:
                return place.by, found.groups()
        return MappingProxyType({}), ()


NO_ROUTES: Final = Routes(MappingProxyType({}))


def gather_routes(provided: Sequence[tuple[Part, Route]]) -> Routes:
    """The routes of all plugins as one table. LoadErrors that name both where two want the same."""
    if not provided:
        return NO_ROUTES
    errors: list[LoadError] = []
    places: dict[str, Place] = {}
    for part, route in provided:
        handler = route.handler
        if not isinstance(handler, FunctionType):
            said = f"the handler of {route.path} is a {type(handler).__name__}, not a function"
            errors.append(LoadError(part.scope.name, said, hint="See: hub hooks provide_routes"))
            continue
        hook = _hook(route.timeout)
        errors += check_function(part, handler, f"the handler of {route.path}", hook)
        answerer = Answerer(make_step(hook, handler, part), tuple(route.parameters))
        place = places.setdefault(route.shape, Place(_pattern(route.path)))
        for method in dict.fromkeys(route.methods):
            taken = place.by.setdefault(method, answerer)
            if taken is not answerer:
                errors.append(_clash(part, handler, f"{method} {route.path}", taken.step.plugin))
    if errors:
        raise LoadErrors(errors)
    return Routes(MappingProxyType({shape: places[shape] for shape in sorted(places, key=_order)}))


def _hook(timeout: float) -> Hook:
    """A handler is entered as if there were a hook of it."""
    from starlette.responses import Response  # here, for who has routes has loaded it already

    options = SpecOptions(FIRST, TEMPFAIL, timeout, None)
    return Hook(provide_routes.__name__, options, ("plugin", "request"), (Response,), is_async=True)


def _pattern(path: str) -> re.Pattern[str]:
    text = _PARAMETER.sub(lambda found: "(.*)" if found[2] else "([^/]+)", re.escape(path))
    return re.compile(text, re.DOTALL)


def _order(shape: str) -> tuple[bool, int, int, str]:
    return "{:path}" in shape, shape.count("{}"), -len(shape), shape


def _clash(part: Part, handler: FunctionType, what: str, taken_by: str) -> LoadError:
    who = "the plugin itself" if taken_by == part.scope.name else f"the plugin '{taken_by}'"
    return fault(part, handler, f"'{part.scope.name}' wants to answer {what}, and {who} does already")
