"""What is remembered for a while."""

from __future__ import annotations

from hub.services.cache import Cache
from hub.testing.clock import ManualClock


async def test_a_value_is_there_until_it_is_too_old(manual_clock: ManualClock) -> None:
    cache: Cache[str, int] = Cache(manual_clock, seconds=10, size=3)
    assert cache.get("one") is None
    cache.put("one", 1)
    await manual_clock.turn(9)
    assert cache.get("one") == 1
    await manual_clock.turn(1)
    assert cache.get("one") is None


def test_what_was_used_longest_ago_goes_first(manual_clock: ManualClock) -> None:
    cache: Cache[str, int] = Cache(manual_clock, seconds=10, size=2)
    cache.put("one", 1)
    cache.put("two", 2)
    assert cache.get("one") == 1
    cache.put("three", 3)
    assert cache.get("two") is None
    assert (cache.get("one"), cache.get("three")) == (1, 3)


def test_a_cleared_cache_says_how_often_it_was(manual_clock: ManualClock) -> None:
    cache: Cache[str, int] = Cache(manual_clock, seconds=10, size=2)
    cache.put("one", 1)
    cache.clear()
    assert cache.get("one") is None
    assert cache.changes == 1
