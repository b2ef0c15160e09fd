"""Cost counted instead of timed, so that a test of linearity is the same on every machine."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType

import pytest

type_of_counter = Callable[[Callable[[], object]], int]


@pytest.fixture
def steps() -> type_of_counter:
    """How many calls, of Python and of C functions, some work takes."""

    def count(work: Callable[[], object]) -> int:
        calls = 0

        def note(_frame: FrameType, event: str, _arg: object) -> None:
            nonlocal calls
            calls += event in {"call", "c_call"}

        previous = sys.getprofile()
        sys.setprofile(note)
        try:
            work()
        finally:
            sys.setprofile(previous)
        return calls

    return count
