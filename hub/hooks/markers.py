"""`@hookspec` says how a hook is called, `@hookimpl` marks a plugin's answer to it.

pluggy matches the two by name and validates; it never calls. What the hub needs beyond pluggy (mode,
failure rule, deadline) is kept as one frozen object on the function.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass
from types import FunctionType
from typing import Final, TypeVar, overload

import pluggy

F = TypeVar("F", bound=Callable[..., object])

PROJECT: Final = "hub"
_spec = pluggy.HookspecMarker(PROJECT)
_impl = pluggy.HookimplMarker(PROJECT)


class Mode(enum.Enum):
    """How the implementations of one hook run and what becomes of their results."""

    NOTIFY = "all at once, never waited for; no result"
    FIRST = "in order, stops at the first answer"
    COLLECT = "all at once, side by side; every answer counts"
    CHAIN = "in order, each gets the last value"
    GATHER = "once, while a generation is built; plain functions"
    OWN = "once, for that plugin alone"


class OnFailure(enum.Enum):
    """What a failed step (timeout, exception, self-cancellation, wrong type) counts as."""

    SKIP = "as if the plugin had said nothing"
    TEMPFAIL = "4xx: the mail stays with its sender"


NOTIFY, FIRST, COLLECT, CHAIN, GATHER, OWN = Mode
SKIP, TEMPFAIL = OnFailure


@dataclass(frozen=True, slots=True)
class SpecOptions:
    """How one hook is called. timeout: seconds for one step; carry: the argument that a CHAIN hands on."""

    mode: Mode
    on_failure: OnFailure
    timeout: float
    carry: str | None


@dataclass(frozen=True, slots=True)
class ImplOptions:
    """What one implementation asks for itself.

    timeout: seconds. max_size: octets, larger messages are not shown to it. score: the least and the most
    that it adds to a message's score. mechanisms: the SASL mechanisms that it logs in, and is asked about.
    """

    timeout: float | None = None
    max_size: int | None = None
    score: tuple[float, float] | None = None
    mechanisms: tuple[str, ...] = ()


def hookspec(
    mode: Mode, *, on_failure: OnFailure = SKIP, timeout: float = 10.0, carry: str | None = None
) -> Callable[[F], F]:
    """Declare a hook; the decorated function is empty and its docstring is the manual."""
    if (carry is None) == (mode is CHAIN):
        raise TypeError("a CHAIN hook, and no other, names the argument that it carries")

    def mark(function: F) -> F:
        function.__dict__["hub_spec_options"] = SpecOptions(mode, on_failure, timeout, carry)
        return _spec(function)

    return mark


@overload
def hookimpl(function: F) -> F: ...
@overload
def hookimpl(
    *,
    tryfirst: bool = False,
    trylast: bool = False,
    optionalhook: bool = False,
    specname: str | None = None,
    timeout: float | None = None,
    max_size: int | None = None,
    score: tuple[float, float] | None = None,
    mechanisms: tuple[str, ...] = (),
) -> Callable[[F], F]: ...
def hookimpl(
    function: F | None = None,
    *,
    tryfirst: bool = False,
    trylast: bool = False,
    optionalhook: bool = False,
    specname: str | None = None,
    timeout: float | None = None,
    max_size: int | None = None,
    score: tuple[float, float] | None = None,
    mechanisms: tuple[str, ...] = (),
    **unknown: object,
) -> F | Callable[[F], F]:
    """Mark a function as this plugin's implementation of the hook of its name (or of `specname`).

    tryfirst, trylast: run before, after the others in spite of the config's order. optionalhook: be silent
    if this hub has no such hook. timeout: seconds, in place of the hook's own. max_size: octets; for hooks
    with a `message`, a larger one is not shown to this plugin. score: for hooks that return a Finding, the
    least and the most of its score, with the promise that it returns no action: it need not be waited for
    once that can change nothing. Without it the least is 0, and what is less counts as 0. mechanisms: for
    `authenticate`, the SASL mechanisms that are offered because of it; it is asked about no others.
    """
    if unknown:
        extra = next(iter(unknown))
        wraps = "wrapper" in extra
        reason = "hooks are not wrapped: timing and tracing are the hub's" if wraps else "no such option"
        offers = "tryfirst, trylast, optionalhook, specname, timeout, max_size, score, mechanisms"
        raise TypeError(f"hookimpl({extra}=…): {reason}. It takes {offers}")

    def mark(function: F) -> F:
        if not isinstance(function, FunctionType):
            raise TypeError(f"@hookimpl marks functions, not a {type(function).__name__}")
        function.__dict__["hub_impl_options"] = ImplOptions(timeout, max_size, score, mechanisms)
        return _impl(
            function, tryfirst=tryfirst, trylast=trylast, optionalhook=optionalhook, specname=specname
        )

    return mark if function is None else mark(function)
