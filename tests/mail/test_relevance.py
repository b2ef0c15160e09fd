"""Scores of FUZZY: words anywhere, without case and diacritics, rare ones first."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hub.mail.casemap import casemap
from hub.mail.relevance import Occurrences, folded, occurrences, relevance, words


def scores(needle: str, *texts: str) -> dict[int, int]:
    wanted = words(casemap(needle))
    said = {at: occurrences(folded(casemap(text)), wanted) for at, text in enumerate(texts)}
    return relevance({at: each for at, each in said.items() if any(each.counts)}, len(texts))


def test_words_are_found_in_any_order_case_and_accent() -> None:
    assert words(casemap("Über  die Straße, über!")) == ("UBER", "DIE", "STRAßE")
    found = scores("jurgen gruss", "Gruß von Jürgen", "Liebe Grüsse, JÜRGEN", "nobody")
    assert found.keys() == {0, 1}
    assert found[1] > found[0]  # ß is a letter of its own


def test_more_of_the_words_in_a_shorter_text_score_higher() -> None:
    found = scores("rare common", "rare", "common", "rare common", "rare common " + "x " * 500, "common")
    assert max(found, key=found.__getitem__) == 2
    assert found[3] < found[2]
    assert found[0] > found[1] == found[4]


def test_a_message_with_less_than_half_of_the_words_is_none() -> None:
    assert scores("one two three", "one", "one two").keys() == {1}
    assert relevance({}, 5) == {}


@given(
    st.dictionaries(
        st.integers(),
        st.tuples(st.integers(0, 1 << 20), st.tuples(*[st.integers(0, 1 << 20)] * 3)),
        max_size=8,
    ),
    st.integers(0, 100),
)
def test_scores_are_from_1_to_100(found: dict[int, tuple[int, tuple[int, ...]]], messages: int) -> None:
    made = relevance({key: Occurrences(*each) for key, each in found.items()}, messages)
    assert all(1 <= score <= 100 for score in made.values())


@given(st.text(), st.text(), st.text())
def test_a_piece_of_a_text_is_a_piece_of_it_when_folded(before: str, piece: str, behind: str) -> None:
    assert folded(casemap(piece)) in folded(casemap(before) + casemap(piece) + casemap(behind))
