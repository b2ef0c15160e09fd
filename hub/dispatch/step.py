"""One plugin's part in a plan, and the one place where plugin code is entered."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from time import perf_counter
from types import FunctionType
from typing import TypeAlias, cast

from hub.dispatch.breaker import Breaker
from hub.dispatch.driving import drive
from hub.dispatch.failure import Failure, reason, where
from hub.dispatch.judging import JUDGED
from hub.dispatch.threads import PluginThreads
from hub.hooks.markers import OnFailure
from hub.hooks.plugin import Plugin
from hub.mail.envelope import Envelope
from hub.mail.login import Credentials
from hub.mail.message import Message
from hub.mail.verdict import Defer, Finding, Reject
from hub.trace.record import Trace

Observe: TypeAlias = Callable[["Step", Mapping[str, object], object, float], None]
"""Told of a step that has run, with what it was given, its outcome, and the seconds that it took."""


@dataclass(frozen=True, slots=True)
class Step:
    """A compiled implementation.

    accepts: the arguments that it names, `plugin` aside; returns: what it may give besides None; score: the
    least and the most that it may add, and that it does nothing else; mechanisms: the credentials that it is
    shown, all if empty; judges: for one that is given whole messages, its plugin, file and line, as they are
    noted while it has one. observe: the developer's tools.
    """

    hook: str
    plugin: str
    scope: Plugin
    function: FunctionType
    accepts: tuple[str, ...]
    takes_plugin: bool
    is_async: bool
    returns: tuple[type, ...]
    timeout: float
    on_failure: OnFailure
    max_size: int | None
    breaker: Breaker
    threads: PluginThreads
    score: tuple[float, float] | None = None
    judges: bytes = b""
    mechanisms: tuple[str, ...] = ()
    observe: Observe | None = None

    async def run(self, trace: Trace | None, arguments: Mapping[str, object]) -> object:
        """The plugin's answer, None, or a Failure; CancelledError only when the hub ends the call."""
        if self.max_size is not None and cast(Message, arguments["message"]).size > self.max_size:
            return None
        if self.mechanisms and cast(Credentials, arguments["credentials"]).mechanism not in self.mechanisms:
            return None
        breaker = self.breaker
        ticket = breaker.admit()
        if not ticket:
            return self._conclude(trace, Failure(self.hook, self.plugin, self._why_shut()), 0.0)
        chosen = self._choose(arguments)
        judged = JUDGED.get() if self.judges else None
        began = perf_counter()
        try:
            if self.is_async:
                work = self.function(**chosen)
                result = await drive(judged.coroutine(work, self.judges) if judged else work, self.timeout)
            else:
                call = partial(self.function, **chosen)
                noted = partial(judged.function, call, self.judges) if judged else call
                result = await drive(self.threads.run(noted), self.timeout)
            outcome = result if result is None or isinstance(result, self.returns) else self._wrong(result)
        except asyncio.CancelledError:
            breaker.abandoned(ticket)
            raise
        except BaseException as error:
            outcome = Failure(self.hook, self.plugin, self._reason(error), self._where(error))
        if isinstance(outcome, Failure):
            self.scope.log.error("hook failed", hook=self.hook, reason=outcome.reason, where=outcome.where)
            breaker.failed(ticket, self.hook, _subject(arguments, self.function), outcome.reason)
        else:
            breaker.succeeded(ticket, self.hook)
        if self.observe is not None:
            self.observe(self, chosen, outcome, perf_counter() - began)
        if trace is None:
            return outcome
        return self._conclude(trace, outcome, perf_counter() - began)

    def call(self, arguments: Mapping[str, object]) -> object:
        """The answer of a plain function, None, or a Failure; called on the loop, while nothing else runs."""
        try:
            result = self.function(**self._choose(arguments))
        except BaseException as error:
            return Failure(self.hook, self.plugin, reason(error), self._where(error))
        return result if result is None or isinstance(result, self.returns) else self._wrong(result)

    def _choose(self, arguments: Mapping[str, object]) -> dict[str, object]:
        chosen: dict[str, object] = {"plugin": self.scope} if self.takes_plugin else {}
        for name in self.accepts:
            chosen[name] = arguments[name]
        return chosen

    def _why_shut(self) -> str:
        return "it was replaced by a reload" if self.breaker.retired else "its breaker is open"

    def _wrong(self, result: object) -> Failure:
        if inspect.iscoroutine(result):
            result.close()
        return self.wrong(result, " or ".join([kind.__name__ for kind in self.returns] + ["None"]))

    def wrong(self, result: object, wanted: str) -> Failure:
        """The plugin gave something else than what is wanted."""
        code = self.function.__code__
        said = f"it returned {type(result).__name__}, not {wanted}. See: hub hooks {self.hook}"
        return Failure(self.hook, self.plugin, said, f"{code.co_filename}:{code.co_firstlineno}")

    def _reason(self, error: BaseException) -> str:
        if isinstance(error, TimeoutError) and not error.args:
            hung = "" if self.is_async else f"\n{self.threads.stacks()}"
            return f"no answer within {self.timeout:g} s{hung}"
        return reason(error)

    def _where(self, error: BaseException) -> str:
        return where(error.__cause__ or error, self.function.__code__)

    def _conclude(self, trace: Trace | None, outcome: object, seconds: float) -> object:
        if trace is not None:
            said, detail = ("-", "") if outcome is None else describe(outcome)
            trace.add("hook", self.hook, said, plugin=self.plugin, seconds=seconds, detail=detail)
        return outcome


def describe(outcome: object) -> tuple[str, str]:
    """An outcome in a word and a detail, for the trace."""
    match outcome:
        case None:
            return "-", ""
        case Failure():
            return "failed", str(outcome)
        case Reject() | Defer():
            return type(outcome).__name__.lower(), f"{outcome.code} {outcome.text}"
        case Finding():
            action = f"{describe(outcome.action)[0]} " if outcome.action else ""
            return f"{action}{outcome.score:+g}", "; ".join(outcome.reasons)
        case _:
            return type(outcome).__name__.lower(), ""


def _subject(arguments: Mapping[str, object], function: FunctionType) -> object:
    """What failures are counted by: the message's own id, else the transaction, else the session.

    Of what anybody may ask for over HTTP all failures of one handler count once.
    """
    if "request" in arguments:
        return function
    message = arguments.get("message")
    if isinstance(message, Message):
        return message.headers.raw("Message-ID") or hash(message.head)
    envelope = arguments.get("envelope")
    if isinstance(envelope, Envelope):
        return envelope.id
    return getattr(arguments.get("session"), "id", None) or object()
