"""One event, "this plugin failed", whatever the reason."""

from __future__ import annotations

import traceback
from dataclasses import dataclass
from types import CodeType


@dataclass(frozen=True, slots=True)
class Failure:
    """One failed step. reason is for the log and the trace, never for a client; where.

    `file:line` in the plugin, if known.
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


def where(error: BaseException, code: CodeType) -> str:
    """The innermost line of the implementation's own file that the error passed through.

    Else where it begins.
    """
    line = code.co_firstlineno
    for frame, number in traceback.walk_tb(error.__traceback__):
        if frame.f_code.co_filename == code.co_filename:
            line = number
    return f"{code.co_filename}:{line}"
