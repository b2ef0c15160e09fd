"""Cost counted instead of timed, so that a test of linearity is the same on every machine."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.property import growth

type_of_counter = Callable[[Callable[[], object]], int]


@pytest.fixture
def steps() -> type_of_counter:
    """How many calls, of Python and of C functions, some work takes."""
    return growth.steps
