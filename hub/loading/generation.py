"""One immutable set of loaded plugins with its plans, and the holder of the one that serves."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Concatenate, ParamSpec, TypeVar, cast

from hub.dispatch.failure import Failure, HookFailed
from hub.dispatch.plan import ChainPlan, CollectPlan, FirstPlan, NotifyPlan, Plan
from hub.hooks.plugin import Plugin
from hub.loading.imap_commands import AddedCommand
from hub.loading.kinds import Speaker
from hub.loading.routes import NO_ROUTES, Routes

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Generation:
    """A set of plugins that serves together.

    plugins: name → scope, in run order. plans: hook → plan, every hook has one. routes: what they answer
    over HTTP. imap_commands: name → what they add to IMAP. speakers: protocol → who speaks it.
    """

    number: int
    plugins: Mapping[str, Plugin]
    plans: Mapping[str, Plan]
    routes: Routes = NO_ROUTES
    imap_commands: Mapping[str, AddedCommand] = field(default_factory=dict)
    speakers: Mapping[str, Speaker] = field(default_factory=dict)


class Pin:
    """The generation that a transaction or a command began with; its scopes stay open until `release`.

    Each accessor takes the hookspec function itself, so that a type checker sees the arguments and the
    result: `await pin.first(smtp_rcpt)(trace, session=…, envelope=…, recipient=…)`.
    """

    __slots__ = ("_released", "expired", "generation", "release_to")

    def __init__(self, generation: Generation, release_to: Callable[[Pin], None]) -> None:
        self.generation = generation
        self.release_to = release_to
        self.expired = False
        self._released = False

    def first(self, spec: Callable[Concatenate[Plugin, P], Coroutine[object, object, R]]) -> FirstPlan[P, R]:
        """The plan of a FIRST hook. HookFailed once the grace period of a replaced generation is over."""
        return cast("FirstPlan[P, R]", self._plan(spec.__name__))

    def collect(
        self, spec: Callable[Concatenate[Plugin, P], Coroutine[object, object, R | None]]
    ) -> CollectPlan[P, R]:
        """The plan of a COLLECT hook. HookFailed as above."""
        return cast("CollectPlan[P, R]", self._plan(spec.__name__))

    def chain(
        self, spec: Callable[Concatenate[Plugin, P], Coroutine[object, object, R | None]]
    ) -> ChainPlan[P, R]:
        """The plan of a CHAIN hook. HookFailed as above."""
        return cast("ChainPlan[P, R]", self._plan(spec.__name__))

    def notify(
        self, spec: Callable[Concatenate[Plugin, P], Coroutine[object, object, None]]
    ) -> NotifyPlan[P]:
        """The plan of a NOTIFY hook; works past the grace period, for facts are never refused."""
        return cast("NotifyPlan[P]", self.generation.plans[spec.__name__])

    def release(self) -> None:
        """The transaction or command is over; a second call does nothing."""
        if not self._released:
            self._released = True
            self.release_to(self)

    def _plan(self, hook: str) -> Plan:
        if self.expired:
            raise HookFailed(Failure(hook, "hub", "the transaction outlived the grace period of a reload"))
        return self.generation.plans[hook]


@dataclass(slots=True)
class Generations:
    """The generation that serves now, and who is still at work with older ones."""

    current: Generation
    emptied: Callable[[Generation], None] = lambda generation: None
    _pins: dict[int, set[Pin]] = field(default_factory=dict)

    def pin(self) -> Pin:
        """Hold on to the current generation."""
        pin = Pin(self.current, self._release)
        self._pins.setdefault(self.current.number, set()).add(pin)
        return pin

    def swap(self, generation: Generation) -> Generation:
        """Serve with another generation from now on; gives the one that served until now."""
        old, self.current = self.current, generation
        return old

    def pinned(self, generation: Generation) -> int:
        """How many transactions and commands still use it."""
        return len(self._pins.get(generation.number, ()))

    @property
    def outlived(self) -> int:
        """How many transactions and commands still use a generation that was replaced."""
        return sum(len(pins) for number, pins in self._pins.items() if number != self.current.number)

    def expire(self, generation: Generation) -> None:
        """The grace period is over: whoever still uses it fails at its next hook."""
        for pin in self._pins.pop(generation.number, set()):
            pin.expired = True

    def _release(self, pin: Pin) -> None:
        pins = self._pins.get(pin.generation.number)
        if pins is None:
            return
        pins.discard(pin)
        if not pins and pin.generation is not self.current:
            del self._pins[pin.generation.number]
            self.emptied(pin.generation)
