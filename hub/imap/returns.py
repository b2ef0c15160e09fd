"""What a search gives back: options behind RETURN (RFC 4731, RFC 5182, RFC 5267, RFC 9394) and ESEARCH."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from hub.imap.attributes import Attribute, parse_attributes
from hub.imap.output import Output
from hub.imap.partial import Partial, parse_partial
from hub.imap.replies import bad
from hub.imap.sets import render_list
from hub.imap.tokens import Reader

_OPTIONS: Final = (b"MIN", b"MAX", b"ALL", b"COUNT", b"SAVE", b"PARTIAL", b"UPDATE", b"CONTEXT", b"RELEVANCY")
_TOLD: Final = frozenset((b"MIN", b"MAX", b"ALL", b"COUNT", b"PARTIAL"))
_WHOLE: Final = frozenset((b"ALL", b"COUNT"))
_PIECE: Final = 4000


@dataclass(frozen=True, slots=True)
class Returns:
    """options: of `_OPTIONS`, of which CONTEXT is a hint that nothing comes of. partial: which part PARTIAL
    asks for. attributes: of the messages that UPDATE will tell of when they arrive (RFC 5465 §7).
    """

    options: frozenset[bytes]
    partial: Partial | None = None
    attributes: tuple[Attribute, ...] = ()

    @property
    def is_told(self) -> bool:
        """Whether there is a response; SAVE alone has none (RFC 5182 §2.1)."""
        return self.options != {b"SAVE"}

    def __contains__(self, option: bytes) -> bool:
        return option in self.options

    def concerned(self, results: Sequence[int]) -> Sequence[int]:
        """The results that SAVE keeps and whose modseqs count (RFC 5182 §2.4, RFC 7162 §3.1.5)."""
        some = self.options & _TOLD
        if not some or some & _WHOLE or not results:
            return results
        chosen = set(_part(self.partial, results)) if self.partial else set[int]()
        if b"MIN" in self.options:
            chosen.add(results[0])
        if b"MAX" in self.options:
            chosen.add(results[-1])
        return sorted(chosen)


ALL: Final = Returns(frozenset({b"ALL"}))


def read_returns(reader: Reader) -> Returns | None:
    """`RETURN (…)` and the space behind it; None if that is not there."""
    if not reader.take_word(b"RETURN"):
        return None
    reader.space()
    reader.expect(b"(", "the options of RETURN in parentheses")
    options: set[bytes] = set()
    partial: Partial | None = None
    attributes: tuple[Attribute, ...] = ()
    while not reader.take(b")"):
        option = reader.word("an option of RETURN")
        if option not in _OPTIONS:
            raise bad(f"RETURN takes {b' '.join(_OPTIONS).decode()}, not {option.decode()[:40]}")
        if option == b"PARTIAL":
            if partial is not None:
                raise bad("RETURN takes one PARTIAL (RFC 9394 3.1)")
            reader.space()
            partial = parse_partial(reader)
        elif option == b"UPDATE" and reader.take(b" ("):
            reader.at -= 1
            attributes = parse_attributes(reader)
        options.add(option)
        if reader.peek() == b" ":
            reader.space()
    if {b"ALL", b"PARTIAL"} <= options:
        raise bad("RETURN takes ALL or PARTIAL, not both (RFC 9394 3.1)")
    reader.space()
    return Returns(frozenset(options), partial, attributes) if options else ALL


def _part(partial: Partial, results: Sequence[int]) -> Sequence[int]:
    start, end = partial.span(len(results))
    return results[start:end]


async def send_esearch(
    out: Output,
    correlator: bytes,
    results: Sequence[int],
    returns: Returns,
    *,
    by_uid: bool,
    modseq: int = 0,
    scores: Sequence[int] = (),
) -> None:
    """The ESEARCH response. correlator: what it is told by. results: in the order they are told in. modseq: 0
    for none. scores: in step with the results, of those that are told."""
    out.send(b"* ESEARCH (%b)%b" % (correlator, b" UID" if by_uid else b""))
    # Of SORT these are the first and the last in its order (RFC 5267 §3.1), as they are of SEARCH.
    if results and b"MIN" in returns:
        out.send(b" MIN %d" % results[0])
    if results and b"MAX" in returns:
        out.send(b" MAX %d" % results[-1])
    if b"COUNT" in returns:
        out.send(b" COUNT %d" % len(results))
    if returns.partial is not None:
        part = _part(returns.partial, results)
        sign = b"-" if returns.partial.from_end else b""
        out.send(b" PARTIAL (%b%d:%b%d " % (sign, returns.partial.first, sign, returns.partial.last))
        await _send_set(out, part) if part else out.send(b"NIL")
        out.send(b")")
    if results and b"ALL" in returns:
        out.send(b" ALL ")
        await _send_set(out, results)
    if b"RELEVANCY" in returns:
        await _send_scores(out, scores if returns.partial is None else _part(returns.partial, scores))
    if results and modseq:
        out.send(b" MODSEQ %d" % modseq)
    out.send(b"\r\n")


async def _send_set(out: Output, results: Sequence[int]) -> None:
    for start in range(0, len(results), _PIECE):
        out.send((b"," if start else b"") + render_list(results[start : start + _PIECE]))
        await out.flow()


async def _send_scores(out: Output, scores: Sequence[int]) -> None:
    """RFC 6203 §4."""
    out.send(b" RELEVANCY (")
    for start in range(0, len(scores), _PIECE):
        told = b" ".join([b"%d" % score for score in scores[start : start + _PIECE]])
        out.send((b" " if start else b"") + told)
        await out.flow()
    out.send(b")")


async def send_numbers(out: Output, word: bytes, results: Sequence[int], modseq: int = 0) -> None:
    """`* SEARCH` or `* SORT` and the numbers."""
    out.send(b"* " + word)
    for start in range(0, len(results), _PIECE):
        out.send(b" " + b" ".join([b"%d" % number for number in results[start : start + _PIECE]]))
        await out.flow()
    out.send(b" (MODSEQ %d)\r\n" % modseq if results and modseq else b"\r\n")
