"""One plugin's part in a plan, and the one place where plugin code is entered."""

from __future__ import annotations

import asyncio
import types
from collections.abc import Callable, Coroutine, Generator, Mapping
from dataclasses import dataclass
from time import perf_counter
from typing import Final, cast

from hub.dispatch.breaker import Breaker
from hub.dispatch.failure import Failure, where
from hub.dispatch.threads import PluginThreads
from hub.hooks.markers import OnFailure
from hub.hooks.plugin import Plugin
from hub.mail.envelope import Envelope
from hub.mail.message import Message
from hub.mail.verdict import Defer, Finding, Reject
from hub.trace.record import Trace

ABANDONED: Final = "hub: abandoned"
CLEANUP: Final = 1.0  # seconds that a step gets after its deadline to close what it has open


def abandon(task: asyncio.Task[object]) -> None:
    """Cancel a task of the hub's in a way that a plugin's own cancellation cannot be mistaken for."""
    task.cancel(ABANDONED)


@dataclass(frozen=True, slots=True)
class Step:
    """A compiled implementation. accepts: the arguments that it names, `plugin` aside; returns.

    What it may give besides None.
    """

    hook: str
    plugin: str
    scope: Plugin
    function: Callable[..., object]
    accepts: tuple[str, ...]
    takes_plugin: bool
    is_async: bool
    returns: tuple[type, ...]
    timeout: float
    on_failure: OnFailure
    max_size: int | None
    breaker: Breaker
    threads: PluginThreads

    async def run(self, trace: Trace | None, arguments: Mapping[str, object]) -> object:
        """The plugin's answer, None, or a Failure.

        Raises only CancelledError, and only when the hub abandoned the call.
        """
        if self.max_size is not None and cast(Message, arguments["message"]).size > self.max_size:
            return None
        breaker = self.breaker
        if not breaker.allows():
            return self._conclude(trace, Failure(self.hook, self.plugin, "its breaker is open"), 0.0)
        chosen = {name: arguments[name] for name in self.accepts}
        if self.takes_plugin:
            chosen["plugin"] = self.scope
        began = perf_counter()
        try:
            result = await self._enter(chosen)
        except asyncio.CancelledError as error:
            if error.args == (ABANDONED,):
                breaker.abandoned()
                raise
            outcome: object = Failure(self.hook, self.plugin, "it cancelled itself", self._where(error))
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            outcome = Failure(self.hook, self.plugin, self._reason(error), self._where(error))
        else:
            outcome = self._check(result)
        if isinstance(outcome, Failure):
            breaker.failed(self.hook, _subject(arguments), outcome.reason)
            self.scope.log.error("hook failed", hook=self.hook, reason=outcome.reason, where=outcome.where)
        else:
            breaker.succeeded(self.hook)
        return self._conclude(trace, outcome, perf_counter() - began)

    async def _enter(self, chosen: Mapping[str, object]) -> object:
        if not self.is_async:
            async with asyncio.timeout(self.timeout):
                return await self.threads.run(lambda: self.function(**chosen))
        coroutine = cast("Coroutine[object, object, object]", self.function(**chosen))
        try:
            awaited = coroutine.send(None)
        except StopIteration as stop:
            # Most answers need no waiting: no timer was set for this one.
            return stop.value
        return await _drive(coroutine, awaited, self.timeout)

    def _check(self, result: object) -> object:
        if result is None or isinstance(result, self.returns):
            return result
        wanted = " or ".join([kind.__name__ for kind in self.returns] + ["None"])
        code = self.function.__code__
        return Failure(
            self.hook,
            self.plugin,
            f"it returned {type(result).__name__} {str(result)[:60]!r}, not {wanted}. "
            f"See: hub hooks {self.hook}",
            f"{code.co_filename}:{code.co_firstlineno}",
        )

    def _reason(self, error: BaseException) -> str:
        if isinstance(error, TimeoutError):
            hung = f"\n{self.threads.stacks()}" if not self.is_async else ""
            return (
                f"no answer within {self.timeout:g} s{hung}" if not str(error) else f"TimeoutError: {error}"
            )
        return f"{type(error).__name__}: {error}"

    def _where(self, error: BaseException) -> str:
        return where(error, self.function.__code__)

    def _conclude(self, trace: Trace | None, outcome: object, seconds: float) -> object:
        if trace is not None:
            said, detail = describe(outcome)
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


def _subject(arguments: Mapping[str, object]) -> object:
    """What failures are counted by: the message's own id, else the transaction, else the session."""
    message = arguments.get("message")
    if isinstance(message, Message):
        return message.headers.raw("Message-ID") or hash(message.head)
    envelope = arguments.get("envelope")
    return envelope.id if isinstance(envelope, Envelope) else id(arguments.get("session"))


@types.coroutine
def _drive(
    coroutine: Coroutine[object, object, object], awaited: object, timeout: float
) -> Generator[object, object, object]:
    """Go on with a coroutine that has begun to wait, until it ends or its time is up.

    Past the deadline it is cancelled and has a second to clean up; then it is closed where it stands,
    whatever it catches. A cancellation from outside goes through to it.
    """
    task = asyncio.current_task()
    assert task is not None
    loop = task.get_loop()
    before = task.cancelling()
    expired = handled = 0

    def expire() -> None:
        nonlocal expired
        expired += 1
        task.cancel()

    timer = loop.call_later(timeout, expire)
    try:
        while True:
            try:
                sent = yield awaited
            except GeneratorExit:
                coroutine.close()
                raise
            except BaseException as error:
                if (
                    expired > handled
                    and isinstance(error, asyncio.CancelledError)
                    and error.args != (ABANDONED,)
                ):
                    handled = expired
                    task.uncancel()
                    if expired > 1:
                        coroutine.close()
                        raise TimeoutError from None
                    timer = loop.call_later(CLEANUP, expire)
                awaited = coroutine.throw(error)
            else:
                awaited = coroutine.send(sent)
    except StopIteration as stop:
        if expired:
            raise TimeoutError from None
        return stop.value
    except asyncio.CancelledError as error:
        if error.args != (ABANDONED,) and task.cancelling() > before:
            task.uncancel()  # the plugin cancelled the task that carries its session
        if expired:
            raise TimeoutError from None
        raise
    finally:
        timer.cancel()
