"""Sequence sets against plain sets of numbers."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.imap.replies import Refused
from hub.imap.sets import SET, STAR, compress, merge, parse_set, render_list, render_set
from hub.imap.view import batches
from hub.services.states import ItemState, States
from hub.services.storage import MailboxChanges
from tests.imap.conftest import ImapHub
from tests.imap.views import view_of
from tests.property.growth import assert_linear

NUMBERS = st.integers(1, 40)
ENDS = NUMBERS | st.just(STAR)
RANGES = st.lists(st.tuples(ENDS, ENDS), min_size=1, max_size=8)
UIDS = st.sets(NUMBERS, max_size=20).map(sorted)


def written(ranges: list[tuple[int, int]]) -> bytes:
    def end(number: int) -> str:
        return "*" if number == STAR else str(number)

    return ",".join(end(low) if low == high else f"{end(low)}:{end(high)}" for low, high in ranges).encode()


def meant(ranges: list[tuple[int, int]], star: int) -> set[int]:
    found: set[int] = set()
    for one, other in ranges:
        low, high = sorted(star if end == STAR else end for end in (one, other))
        found.update(range(low, high + 1))
    return found


@given(RANGES)
def test_a_set_is_read_as_it_is_written(ranges: list[tuple[int, int]]) -> None:
    assert parse_set(written(ranges)) == [(min(pair), max(pair)) for pair in ranges]


@given(RANGES, UIDS)
def test_uids_are_chosen_and_unknown_ones_passed_over(ranges: list[tuple[int, int]], uids: list[int]) -> None:
    chosen = view_of(uids).choose(ranges, by_uid=True)
    found = [uids[at] for start, end in chosen for at in range(start, end)]
    assert found == sorted(meant(ranges, uids[-1] if uids else 0) & set(uids))
    assert all(end <= start for (_, end), (start, _) in pairwise(chosen))


@given(RANGES, st.integers(0, 40))
def test_sequence_numbers_are_chosen_or_refused(ranges: list[tuple[int, int]], count: int) -> None:
    wanted = meant(ranges, count) - {0}
    subject = view_of(list(range(101, 101 + count)))
    try:
        chosen = subject.choose(ranges, by_uid=False)
    except Refused:
        assert max(wanted) > count
        return
    assert [at + 1 for start, end in chosen for at in range(start, end)] == sorted(
        n for n in wanted if n <= count
    )


@given(st.sets(NUMBERS).map(sorted))
def test_ranges_hold_the_numbers_that_they_came_from(numbers: list[int]) -> None:
    ranges = compress(numbers)
    assert [n for low, high in ranges for n in range(low, high + 1)] == numbers
    assert merge((n, n) for n in reversed(numbers)) == ranges
    assert meant(parse_set(render_set(ranges)), 0) == set(numbers) if numbers else ranges == []


@given(st.lists(NUMBERS, min_size=1))
def test_a_list_keeps_its_order(numbers: list[int]) -> None:
    found: list[int] = []
    for element in render_list(numbers).split(b","):
        low, _, high = element.partition(b":")
        found += range(int(low), int(high or low) + 1)
    assert found == numbers


@given(RANGES.map(merge), st.integers(1, 7))
def test_batches_hold_everything_once(ranges: list[tuple[int, int]], size: int) -> None:
    selection = [(low, min(high, 60) + 1) for low, high in ranges if low <= 60]
    cut = list(batches(selection, size))
    assert all(0 < len(each) <= size for each in cut)
    assert all(len(one) + len(next_one) > size for one, next_one in pairwise(cut))
    assert [n for each in cut for n in each] == [n for start, end in selection for n in range(start, end)]


@pytest.mark.proves("imap: several sessions on one mailbox keep their sequence numbers")
@given(UIDS, st.sets(NUMBERS), st.sets(st.integers(41, 60)))
def test_expunges_are_told_so_that_the_client_arrives_at_the_same_mailbox(
    uids: list[int], vanished: set[int], added: set[int]
) -> None:
    states = States.of(ItemState(uid, frozenset({"\\Seen"}), 9) for uid in sorted(added))
    subject = view_of(uids, MailboxChanges(9, 61, states, tuple(compress(sorted(vanished)))))
    client = list(uids)
    update = asyncio.run(subject.catch_up(renumber=False))
    assert update.added == len(added)
    assert not update.expunged
    client += sorted(added)
    assert list(subject.uids) == client  # nothing has moved yet
    for at in reversed(asyncio.run(subject.catch_up(renumber=True)).expunged):
        del client[at]
    assert list(subject.uids) == client == sorted((set(uids) | added) - vanished)
    assert len(subject.flags) == len(subject.modseqs) == len(client)
    assert subject.modseq == 9
    assert not subject.stale


@given(UIDS, st.integers(0, 5))
def test_ranges_with_gaps_have_all_numbers_and_few_others(numbers: list[int], gap: int) -> None:
    ranges = compress(numbers, gap)
    covered = {number for low, high in ranges for number in range(low, high + 1)}
    assert set(numbers) <= covered
    assert all(later - high > gap + 1 for (_, high), (later, _) in pairwise(ranges))
    assert all(low in numbers and high in numbers for low, high in ranges)


def many_elements(size: int) -> bytes:
    """In no order, none next to another."""
    count = size // 6
    return b",".join([b"%d" % (1 + 2 * (number * 7919 % count)) for number in range(count)])


def test_a_set_of_many_elements_is_read_in_linear_time() -> None:
    subject = view_of(list(range(1, 100)))

    def choose(octets: bytes) -> None:
        assert SET.fullmatch(octets)
        assert subject.choose(parse_set(octets), by_uid=True)

    assert_linear(choose, many_elements)


@pytest.mark.proves("imap: a set of a million elements is refused, and the session goes on")
async def test_a_set_of_a_million_elements_is_refused(imap: ImapHub) -> None:
    async with await imap.logged_in(mailbox="INBOX") as client:
        await client.append("INBOX", b"Subject: x\r\n\r\n")
        elements = b",".join([b"1"] * 1_000_000)
        for command in (b"SEARCH %b", b"FETCH %b FLAGS", b"UID STORE %b +FLAGS x", b"UID SEARCH UID %b"):
            assert (await client.command(command % elements))[-1].startswith(b"BAD ")
        largest = b",".join([b"1"] * 100_000)
        assert await client.ok(b"UID SEARCH UID " + largest) == [b"* SEARCH 1"]
        assert len(await client.ok(b"UID FETCH %b FLAGS" % largest)) == 1
