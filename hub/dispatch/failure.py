"""One event, "this plugin failed", whatever the reason."""

from __future__ import annotations

import traceback
from dataclasses import dataclass
from types import CodeType
from typing import Final

LONGEST_REASON: Final = 500


@dataclass(frozen=True, slots=True)
class Failure:
    """One failed step.

    reason: for the log and the trace, never for a client; where: `file:line` in the plugin, if known.
    """

    hook: str
    plugin: str
    reason: str
    where: str | None = None

    def __str__(self) -> str:
        return f"{self.where + ': ' if self.where else ''}{self.plugin} failed in {self.hook}: {self.reason}"


class HookFailed(Exception):
    """A step failed whose rule is TEMPFAIL: whoever called the plan answers with a temporary failure."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(str(failure))
        self.failure = failure


class SelfCancelled(Exception):
    """A plugin's coroutine was cancelled, and not by the hub."""

    def __str__(self) -> str:
        return "it cancelled itself"


def reason(error: BaseException) -> str:
    """An exception as one text, even if it cannot print itself."""
    if isinstance(error, SelfCancelled):
        return str(error)
    try:
        text = str(error)[:LONGEST_REASON]
    except BaseException as worse:
        text = f"(its text cannot be had: {type(worse).__name__})"
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def where(error: BaseException, code: CodeType) -> str:
    """The innermost line of the implementation's file that the error passed; else its first."""
    line = code.co_firstlineno
    for frame, number in traceback.walk_tb(error.__traceback__):
        if frame.f_code.co_filename == code.co_filename:
            line = number
    return f"{code.co_filename}:{line}"
