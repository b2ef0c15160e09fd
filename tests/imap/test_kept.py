"""Results in their order, as a client that takes over every piece sees them."""

from __future__ import annotations

from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st

from hub.imap.kept import Found, Piece, Sorted

UIDS = st.sets(st.integers(1, 60), max_size=30)


def entries(uids: Iterable[int]) -> list[tuple[int, int]]:
    """In an order that has nothing to do with that of the UIDs."""
    return sorted((uid * 7 % 13, uid) for uid in uids)


def take(results: list[int], pieces: Iterable[Piece]) -> None:
    """REMOVEFROM (RFC 5267 §4.3.4)."""
    for at, uids in pieces:
        assert results[at - 1 : at - 1 + len(uids)] == list(uids)
        del results[at - 1 : at - 1 + len(uids)]


def put(results: list[int], pieces: Iterable[Piece]) -> None:
    """ADDTO (RFC 5267 §4.3.3)."""
    for at, uids in pieces:
        assert 0 < at <= len(results) + 1
        results[at - 1 : at - 1] = uids


@given(UIDS, UIDS, UIDS)
def test_a_client_has_what_is_sorted_after_each_change(
    first: set[int], gone: set[int], came: set[int]
) -> None:
    kept = Sorted(entries(first))
    results = [uid for _, uid in entries(first)]
    take(results, kept.remove(gone))
    left = first - gone
    assert results == [uid for _, uid in entries(left)]
    put(results, kept.add(entries(came - left)))
    assert results == [uid for _, uid in entries(left | came)]
    assert len(kept) == len(results)
    assert {uid for uid in range(61) if uid in kept} == left | came


@given(UIDS, UIDS, UIDS)
def test_what_is_not_sorted_has_no_positions(first: set[int], gone: set[int], came: set[int]) -> None:
    kept = Found(first)
    assert kept.remove(gone) == ([(0, sorted(first & gone))] if first & gone else [])
    fresh = came - (first - gone)
    assert kept.add(fresh) == ([(0, sorted(fresh))] if fresh else [])
    assert {uid for uid in range(61) if uid in kept} == (first - gone) | came
    assert len(kept) == len((first - gone) | came)
