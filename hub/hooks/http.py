"""What plugins answer over HTTP, on the hub's own listeners."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

from hub.hooks.markers import GATHER, hookspec
from hub.hooks.plugin import Plugin

if TYPE_CHECKING:
    from starlette.responses import Response

Handler: TypeAlias = "Callable[..., Awaitable[Response | None] | Response | None]"
METHODS: Final = frozenset(("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))
_PATH: Final = re.compile(r"(?:/(?:[A-Za-z0-9._~!$&'()*+,;=:@-]+|\{[a-z_]+\})?)*(?:/\{[a-z_]+:path\})?")
_PARAMETER: Final = re.compile(r"\{([a-z_]+)(?::path)?\}")


@dataclass(frozen=True, slots=True)
class Route:
    """A path, and the function that answers there.

    path: `/metrics`; `{name}` stands for one part of it, `{name:path}` at the end for all that is left, and
    `request.path_params` has what they stood for. handler: names what it needs of `plugin` and `request` and
    returns a Response, or None for 404; an `async def`, or a plain `def` that runs in the plugin's threads.
    methods: GET answers HEAD too. timeout: seconds that the handler has. ValueError.
    """

    path: str
    handler: Handler
    methods: tuple[str, ...] = ("GET",)
    timeout: float = 30.0

    def __post_init__(self) -> None:
        if not self.path.startswith("/") or not _PATH.fullmatch(self.path):
            raise ValueError(
                f"Route({self.path!r}): a path is like /metrics, /users/{{name}} or /{{rest:path}}"
            )
        names = self.parameters
        if len(set(names)) < len(names):
            raise ValueError(f"Route({self.path!r}) has two parameters of one name")
        if not self.methods or not METHODS.issuperset(self.methods):
            raise ValueError(f"Route({self.path!r}): methods are some of {', '.join(sorted(METHODS))}")
        if not self.timeout > 0:
            raise ValueError(f"Route({self.path!r}): timeout={self.timeout:g} leaves no time")

    @property
    def parameters(self) -> list[str]:
        """The names of what stands in braces, in order."""
        return _PARAMETER.findall(self.path)

    @property
    def shape(self) -> str:
        """The path without the names of its parameters: two routes of one shape answer the same paths."""
        return _PARAMETER.sub(lambda found: "{:path}" if ":" in found[0] else "{}", self.path)


@hookspec(GATHER)
def provide_routes(plugin: Plugin) -> list[Route]:  # type: ignore[empty-body]
    """Say which paths of the HTTP listeners the plugin answers.

    A plain function, called each time a set of plugins is put together, before `plugin_start`: it has the
    settings, and nothing in the stash. Two plugins that want the same path and method are an error that
    names both. A handler is entered as a hook is: it has a deadline, and what it raises is answered 500
    without a word of it. The body of the request is there before the handler is. Nobody hears HTTP unless a
    listener of protocol `http` or `https` is configured.

        async def hello(plugin, request):
            return Response(f"hello from {plugin.name}")

        @hookimpl
        def provide_routes():
            return [Route("/hello", hello)]
    """
