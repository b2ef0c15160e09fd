"""What LIST is asked for (RFC 9051 §6.3.9, RFC 5258 §3): which names, and what about each."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from hub.imap.entries import read_entries
from hub.imap.replies import bad
from hub.imap.status import read_items
from hub.imap.tokens import Reader

MAX_PATTERNS: Final = 100
_SELECT: Final = (b"SUBSCRIBED", b"REMOTE", b"RECURSIVEMATCH", b"SPECIAL-USE")
_RETURN: Final = (b"SUBSCRIBED", b"CHILDREN", b"SPECIAL-USE", b"STATUS", b"MYRIGHTS", b"METADATA")


@dataclass(frozen=True, slots=True)
class ListRequest:
    """One LIST. patterns: with the reference before each; selected: options before it; extended: it has what
    RFC 3501 does not know.

    subscribed, rights: to be told of each name. status: items of STATUS. entries: of METADATA.
    """

    patterns: tuple[str, ...]
    selected: frozenset[bytes] = frozenset()
    extended: bool = False
    subscribed: bool = False
    rights: bool = False
    status: tuple[bytes, ...] = ()
    entries: tuple[str, ...] = ()

    @property
    def criteria(self) -> list[bytes]:
        """The options that a name fulfils or does not."""
        return [option for option in (b"SUBSCRIBED", b"SPECIAL-USE") if option in self.selected]


@dataclass(slots=True)
class _Returned:
    """Return options as they are read."""

    words: set[bytes] = field(default_factory=set)
    status: tuple[bytes, ...] = ()
    entries: tuple[str, ...] = ()


def read_request(reader: Reader) -> ListRequest:
    """The arguments of LIST. BAD."""
    reader.space()
    selected = _selection(reader) if reader.peek() == b"(" else None
    reference = reader.mailbox()
    reader.space()
    several = reader.peek() == b"("
    patterns = _patterns(reader) if several else [reader.list_mailbox()]
    returned = _Returned()
    returns = not reader.at_end()
    if returns:
        reader.space()
        if reader.word("RETURN") != b"RETURN":
            raise bad("Behind its pattern LIST takes RETURN and a list of options (RFC 5258 3)")
        reader.space()
        _return_options(reader, returned)
    reader.end()
    return ListRequest(
        tuple(reference + pattern for pattern in patterns),
        selected or frozenset(),
        extended=selected is not None or several or returns,
        subscribed=b"SUBSCRIBED" in returned.words or b"SUBSCRIBED" in (selected or ()),
        rights=b"MYRIGHTS" in returned.words,
        status=returned.status,
        entries=returned.entries,
    )


def _selection(reader: Reader) -> frozenset[bytes]:
    reader.take(b"(")
    options: set[bytes] = set()
    while not reader.take(b")"):
        option = reader.word("a selection option of LIST, or the closing parenthesis")
        if option not in _SELECT:
            raise bad(f"LIST has no selection option {_shown(option)}; it has {b' '.join(_SELECT).decode()}")
        options.add(option)
        if reader.peek() == b" ":
            reader.space()
    if b"RECURSIVEMATCH" in options and options <= {b"RECURSIVEMATCH", b"REMOTE"}:
        raise bad("RECURSIVEMATCH needs SUBSCRIBED or SPECIAL-USE beside it (RFC 5258 3.1)")
    reader.space()
    return frozenset(options)


def _patterns(reader: Reader) -> list[str]:
    reader.take(b"(")
    patterns = [reader.list_mailbox()]
    while not reader.take(b")"):
        reader.space()
        patterns.append(reader.list_mailbox())
        if len(patterns) > MAX_PATTERNS:
            raise bad(f"LIST takes at most {MAX_PATTERNS} patterns")
    return patterns


def _return_options(reader: Reader, returned: _Returned) -> None:
    reader.expect(b"(", "a list of return options in parentheses")
    while not reader.take(b")"):
        option = reader.word("a return option of LIST, or the closing parenthesis")
        if option not in _RETURN:
            raise bad(f"LIST has no return option {_shown(option)}; it has {b' '.join(_RETURN).decode()}")
        returned.words.add(option)
        if option == b"STATUS":
            reader.space()
            returned.status = read_items(reader)
        elif option == b"METADATA":
            reader.space()
            returned.entries = read_entries(reader)
        if reader.peek() == b" ":
            reader.space()


def _shown(option: bytes) -> str:
    return option[:40].decode("ascii")
