"""Which names LIST is answered with (RFC 5258)."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hub.imap.list import choose, parents
from hub.imap.list_options import ListRequest
from hub.imap.names import matcher
from hub.imap.place import Place
from hub.mail.login import AccountRef
from hub.services.storage import Mailbox
from tests.property.growth import steps

ALICE = AccountRef("default", "alice")
NAMES = st.sets(st.lists(st.sampled_from("ab"), min_size=1, max_size=4).map("/".join), max_size=8)
PATTERNS = st.lists(st.text("ab/*%", min_size=1, max_size=5), min_size=1, max_size=3)


def places(names: set[str]) -> dict[str, Place]:
    return {
        name: Place(name, Mailbox(at, name, 1, 1, 1, 0, 0, 0, None, False), ALICE)
        for at, name in enumerate(sorted(names))
    }


@given(NAMES, NAMES, PATTERNS)
def test_a_parent_stands_for_subscribed_children_that_are_not_told(
    there: set[str], subscribed: set[str], patterns: list[str]
) -> None:
    selected = frozenset({b"SUBSCRIBED", b"RECURSIVEMATCH"})
    request = ListRequest(tuple(patterns), selected, extended=True, subscribed=True)
    told = {listed.name: listed for listed in choose(request, places(there), subscribed)}
    matching = {name for name in subscribed | parents(subscribed) if any(matcher(p)(name) for p in patterns)}
    for name in matching:
        below = {child for child in subscribed if child.startswith(name + "/")}
        assert (name in told) == (name in subscribed or bool(below - set(told)))
        if name in told:
            assert told[name].children == ((b"SUBSCRIBED",) if below else ())
            assert (b"\\Subscribed" in told[name].attributes) == (name in subscribed)
            assert (b"\\NonExistent" in told[name].attributes) == (name not in there)
    assert set(told) <= matching


@given(NAMES, PATTERNS)
def test_every_name_that_matches_is_told_once_and_in_order(there: set[str], patterns: list[str]) -> None:
    told = [listed.name for listed in choose(ListRequest(tuple(patterns)), places(there), set())]
    names = there | parents(there)
    assert told == sorted(name for name in names if any(matcher(p)(name) for p in patterns))


def test_the_time_grows_with_the_mailboxes() -> None:
    def cost(count: int) -> int:
        names = {f"folder{at % 10}/{at}" for at in range(count)}
        request = ListRequest(("*",), frozenset({b"SUBSCRIBED", b"RECURSIVEMATCH"}), extended=True)
        there = places(names)
        return steps(lambda: list(choose(request, there, names)))

    assert cost(800) <= 4.5 * cost(200)
