"""THREAD of mail that was written to make it slow: its cost grows with the references, whatever they say.

Counted in lines of Python, for climbing from one message to the next calls nothing.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.imap import forest
from hub.imap.forest import Branch, Forest
from hub.imap.threads import Threaded, by_references, render
from tests.property.growth import lines


def message(number: int, own: int, *references: int) -> Threaded:
    return Threaded(number, number, b"", False, b"%d" % own, tuple([b"%d" % each for each in references]))


def a_chain(size: int) -> list[Threaded]:
    return [message(at, at, at - 1) for at in range(1, size + 1)]


def everybody_names_all_before(size: int) -> list[Threaded]:
    """Deep and wide: a thousand references of a thousand."""
    wide = int(size**0.5)
    return [message(at, at, *range(max(1, at - wide), at)) for at in range(1, size // wide + 1)]


def pairs_that_are_joined(size: int) -> list[Threaded]:
    """Each joint is asked whether it is above the whole chain over it."""
    pairs = [message(at, 0, at, at + 1) for at in range(2, size, 2)]
    return pairs + [message(size + at, 0, at - 1, at) for at in range(2, size, 2)]


def a_chain_cut_in_the_middle(size: int) -> list[Threaded]:
    """One message guesses the chain, and each of those in it knows better whom it answers."""
    guess = [message(0, size * 2, *range(1, size + 1))]
    middle = list(range(size // 3, 2 * size // 3))
    random.Random(5).shuffle(middle)
    return guess + [message(at, at, *([at - 2] if at > 2 else [])) for at in middle]


def many_below_a_chain_of_dummies(size: int) -> list[Threaded]:
    below = [message(at, size + at, size // 2) for at in range(1, size // 2)]
    return [message(0, 3 * size, *range(1, size // 2 + 1)), *below]


def beside_each_dummy_a_message(size: int) -> list[Threaded]:
    beside = [message(at, size + at, at) for at in range(1, size // 2)]
    return [message(0, 3 * size, *range(1, size // 2 + 1)), *beside]


def threads(messages: Sequence[Threaded]) -> bytes:
    return b"".join([piece for root in by_references(messages) for piece in render(root)])


@pytest.mark.proves("imap: THREAD grows with the references, however they are chained, counted in steps")
@pytest.mark.parametrize(
    "make",
    [
        a_chain, everybody_names_all_before, pairs_that_are_joined, a_chain_cut_in_the_middle,
        many_below_a_chain_of_dummies, beside_each_dummy_a_message,
    ],
)  # fmt: skip
def test_threads_grow_with_the_references(make: Callable[[int], list[Threaded]]) -> None:
    small, large = make(400), make(1600)
    assert lines(lambda: threads(large)) < 6 * lines(lambda: threads(small))


LINKS = st.lists(
    st.tuples(st.integers(0, 30), st.integers(0, 30), st.sampled_from(("", "", "cut"))), max_size=150
)


@given(LINKS, st.sampled_from((0, 1, 20)))
def test_a_forest_knows_its_roots(links: list[tuple[int, int, str]], climb: int) -> None:
    branches = [Branch() for _ in range(31)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(forest, "CLIMB", climb)
        trees = Forest(branches)
        for one, other, what in links:
            branch, parent = branches[one], branches[other]
            if what == "cut":
                trees.cut(branch)
            elif branch.parent is None and trees.root(parent) is not branch:
                trees.link(branch, parent)
            top = branches[other]
            while top.parent is not None:
                top = top.parent
            assert trees.root(branches[other]) is top
