"""How well a message goes with words that are searched for loosely (RFC 6203): BM25, from 1 to 100.

Diacritics are disregarded here, beside the case. What is counted needs no second look at the text, so an
index that counts and a text that is read make the same score.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Hashable, Iterable, Mapping, Sequence
from functools import cache
from typing import Final, NamedTuple, TypeVar

K = TypeVar("K", bound=Hashable)

MOST_WORDS: Final = 20
"""Of a needle; those behind are disregarded."""

_SATURATION: Final = 1.2
"""How soon the next time that a word is said counts for nothing."""
_LENGTH: Final = 0.75
"""How much of a long text's many words is its length."""

_WORD = re.compile(r"\w+")


class Occurrences(NamedTuple):
    """Of one message. length: of its folded text; counts: how often each of the words is in it, also within
    longer ones."""

    length: int
    counts: tuple[int, ...]


def folded(mapped: bytes) -> str:
    """Text that was mapped by `casemap`, without its diacritics, as a database can hold it.

    Character by character, so that what is a piece of a text is a piece of it still.
    """
    return mapped.decode("utf-8", "surrogatepass").translate(_folding())


@cache
def _folding() -> Mapping[int, str | None]:
    """What stands for a character; asking for each of them takes longer than a hub that never needs it
    should."""
    return {
        0: " ",
        **dict.fromkeys(range(0xD800, 0xE000), "\ufffd"),
        **{code: None for code in range(0x300, 0x20000) if unicodedata.combining(chr(code))},
    }


def words(mapped: bytes) -> tuple[str, ...]:
    """The words of a needle that was mapped by `casemap`, folded, each once."""
    return tuple(dict.fromkeys(_WORD.findall(folded(mapped))))[:MOST_WORDS]


def occurrences(text: str, wanted: Iterable[str]) -> Occurrences:
    """text: folded."""
    return Occurrences(len(text), tuple([text.count(word) for word in wanted]))


def has_enough(said: Occurrences) -> bool:
    """Whether at least half of the words are said, and one of them at all."""
    counts = said.counts
    return any(counts) and 2 * sum(map(bool, counts)) >= len(counts)


def relevance(found: Mapping[K, Occurrences], messages: int) -> dict[K, int]:
    """The score of each that has at least half of the words, from 1 to 100; the others are left out.

    messages: how many there are in all, among which a word that few have weighs more.
    """
    if not found:
        return {}
    holders = _holders(found.values())
    weights = [math.log(1 + (max(messages, held) - held + 0.5) / (held + 0.5)) for held in holders]
    whole = sum(weights) * (_SATURATION + 1)
    mean = sum(each.length for each in found.values()) / len(found) or 1.0
    scores: dict[K, int] = {}
    for key, each in found.items():
        if not has_enough(each):
            continue
        length, counts = each
        damping = _SATURATION * (1 - _LENGTH + _LENGTH * length / mean)
        said = sum(
            weight * count * (_SATURATION + 1) / (count + damping)
            for weight, count in zip(weights, counts, strict=True)
            if count
        )
        scores[key] = max(1, min(100, round(100 * said / whole)))
    return scores


def _holders(found: Iterable[Occurrences]) -> Sequence[int]:
    """How many messages have each word."""
    return [sum(map(bool, column)) for column in zip(*[each.counts for each in found], strict=True)]
