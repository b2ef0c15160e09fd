"""Whether work grows in proportion to its input: counted where Python calls, measured where C scans.

The time is that of the calling thread on the processor, so that neighbours on the machine do not count, and
the smallest of several runs; what is quadratic takes sixteen times as long for an input four times as long,
and no pause makes that ten.
"""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Callable, Container
from types import FrameType
from typing import Any, Final, TypeVar

from hypothesis import settings
from hypothesis import strategies as st

T = TypeVar("T", bytes, str)

SMALL: Final = 5000
RUNS: Final = 6
NOTHING: Final = 0.003
"""Seconds under which a large input is cheap, whatever the small one took."""

few: Final = settings(max_examples=25, derandomize=True, deadline=None, database=None)
"""For what runs twice, or on an input of some length."""
many: Final = settings(max_examples=200, derandomize=True, deadline=None, database=None)


def steps(work: Callable[[], object]) -> int:
    """How many calls, of Python and of C functions, some work takes."""
    return _counted(work, {"call", "c_call"}, sys.getprofile, sys.setprofile)


def lines(work: Callable[[], object]) -> int:
    """How many lines of Python some work takes: also where it calls nothing."""
    return _counted(work, {"line"}, sys.gettrace, sys.settrace)


def _counted(
    work: Callable[[], object], events: Container[str], get: Callable[[], Any], begin: Callable[[Any], None]
) -> int:
    count = 0

    def note(_frame: FrameType, event: str, _arg: object) -> Any:
        nonlocal count
        count += event in events
        return note

    previous = get()
    gc.disable()  # what other tests have left would be finalized here, and counted
    begin(note)
    try:
        work()
    finally:
        begin(previous)
        gc.enable()
    return count


def assert_linear(work: Callable[[T], object], make: Callable[[int], T]) -> None:
    """`work` on `make(4 * n)` costs about four times what it costs on `make(n)`, and never ten times."""
    small, large = make(SMALL), make(4 * SMALL)
    work(small)  # what is imported or compiled once
    assert steps(lambda: work(large)) <= 5 * steps(lambda: work(small)) + 200
    cheap = dear = float("inf")
    for _ in range(RUNS):
        cheap = min(cheap, _seconds(work, small))
        dear = min(dear, _seconds(work, large))
        if dear <= max(10 * cheap, NOTHING):
            return
    raise AssertionError(f"{len(small)} took {cheap:.4f} s and {len(large)} took {dear:.4f} s")


def _seconds(work: Callable[[T], object], subject: T) -> float:
    began = time.thread_time()
    work(subject)
    return time.thread_time() - began


def repeated(pieces: st.SearchStrategy[T]) -> st.SearchStrategy[Callable[[int], T]]:
    """Makers of inputs of about so many characters: a start, a piece again and again, an end."""

    def maker(start: T, piece: T, end: T) -> Callable[[int], T]:
        return lambda size: start + piece * (size // max(len(piece), 1)) + end

    return st.builds(maker, pieces, pieces.filter(bool), pieces)
