"""Address lists as they come: groups, comments, obsolete forms, and what nobody allowed."""

from __future__ import annotations

from collections.abc import Callable
from email.headerregistry import Address as StandardAddress
from email.message import EmailMessage

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.mail.headers import Headers
from hub.mail.mailboxes import Mailbox, addresses

START = Mailbox(None, None, b"G", None)
END = Mailbox(None, None, None, None)


def _plain(local: bytes, host: bytes, name: bytes | None = None) -> Mailbox:
    return Mailbox(name, None, local, host)


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (b"", []),
        (b" , ,", []),
        (b"a@b", [_plain(b"a", b"b")]),
        (b"<a@b>", [_plain(b"a", b"b")]),
        (b"Foo  Bar <a@b>, c@d", [_plain(b"a", b"b", b"Foo Bar"), _plain(b"c", b"d")]),
        (b'"Bar, \\"F\\"" <a@b>', [_plain(b"a", b"b", b'Bar, "F"')]),
        (b"J. Q. Public <a@b>", [_plain(b"a", b"b", b"J. Q. Public")]),
        (b"a@b (Foo \\) (nested) Bar)", [_plain(b"a", b"b", b"Foo ) (nested) Bar")]),
        (b"Foo (comment) <a(x)@(y)b>", [_plain(b"a", b"b", b"Foo")]),
        (b"=?utf-8?q?F?= =?utf-8?q?o?= <a@b>", [_plain(b"a", b"b", b"=?utf-8?q?F?= =?utf-8?q?o?=")]),
        (b'"l p"@b', [_plain(b"l p", b"b")]),
        (b"a . b @ c . d", [_plain(b"a.b", b"c.d")]),
        (b"a@[1.2.3.4]", [_plain(b"a", b"[1.2.3.4]")]),
        (b"<@r,@s:a@b>", [Mailbox(None, b"@r,@s", b"a", b"b")]),
        (b"Foo\r\n <a@b>,\r\n\tc@d", [_plain(b"a", b"b", b"Foo"), _plain(b"c", b"d")]),
        (b"G: a@b, C <c@d>;, e@f",
         [START, _plain(b"a", b"b"), _plain(b"c", b"d", b"C"), END, _plain(b"e", b"f")]),
        (b"undisclosed-recipients:;", [Mailbox(None, None, b"undisclosed-recipients", None), END]),
        (b"G: a@b", [START, _plain(b"a", b"b"), END]),
        # what no RFC allows
        (b"root", [_plain(b"root", b"")]),
        (b"<>", [_plain(b"", b"")]),
        (b"a@", [_plain(b"a", b"")]),
        (b"@b", [_plain(b"", b"b")]),
        (b"a@b; c@d", [_plain(b"a", b"b"), _plain(b"c", b"d")]),
        (b"Foo <a@b, c@d", [_plain(b"a", b"b", b"Foo"), _plain(b"c", b"d")]),
        (b"<a@b> <c@d>", [_plain(b"a", b"b"), _plain(b"c", b"d")]),
        (b"<a@b <c@d>", [_plain(b"a", b"b"), _plain(b"c", b"d")]),
        (b"x <<a@b>>", [_plain(b"a", b"b", b"x")]),
        (b"<a@b> c@d", [_plain(b"a", b"b"), _plain(b"c", b"d")]),
        (b"<a@b> trailing words", [_plain(b"a", b"b")]),
        (b"<a@b> more <c@d>", [_plain(b"a", b"b"), _plain(b"c", b"d")]),
        (b"a@b <c@d>", [_plain(b"c", b"d", b"a@b")]),
        (b"Foo Bar a@b baz", [_plain(b"a", b"b", b"Foo Bar")]),
        (b'"a@b', [_plain(b"a@b", b"")]),
        (b"(a@b", []),
        (b"J\xc3\xb6rg <a@b>", [_plain(b"a", b"b", b"J\xc3\xb6rg")]),
    ],
)  # fmt: skip
def test_a_list_is_read(value: bytes, found: list[Mailbox]) -> None:
    assert addresses(value) == found


def test_text_reads_like_octets() -> None:
    assert addresses("Jörg <a@b>") == addresses("Jörg <a@b>".encode())


def test_a_group_mark_is_no_address() -> None:
    assert [mailbox.is_group_mark for mailbox in addresses(b"G: a@b;")] == [True, False, True]


_NAMES = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=30).map(str.strip)
_ATOMS = st.from_regex(r"[a-z][a-z0-9_-]{0,10}(\.[a-z0-9]{1,5}){0,2}", fullmatch=True)


@given(st.lists(st.tuples(_NAMES, _ATOMS, _ATOMS), min_size=1, max_size=6))
def test_what_the_standard_library_writes_reads_back(entries: list[tuple[str, str, str]]) -> None:
    message = EmailMessage()
    message["To"] = [StandardAddress(name, local, host) for name, local, host in entries]
    raw = Headers(message.as_bytes()).raw("To")
    assert raw is not None
    found = [(mailbox.local, mailbox.host) for mailbox in addresses(raw)]
    assert found == [(local.encode(), host.encode()) for _, local, host in entries]


@given(st.binary(max_size=100) | st.text('ab@<>,:;."\\()[] \r\n', max_size=60).map(str.encode))
def test_any_octets_are_read(value: bytes) -> None:
    depth = 0
    for mailbox in addresses(value):
        if mailbox.is_group_mark:
            depth += 1 if mailbox.local is not None else -1
            assert depth in {0, 1}
        else:
            assert mailbox.local is not None
    assert depth == 0


@pytest.mark.parametrize(
    "unit",
    [
        b"a@b,",
        b"a ",
        b"<",
        b">",
        b":",
        b"@",
        b"a:",
        b"(",
        b"()",
        b'"',
        b"\\",
        b"<@a,",
        b"[",
        b";",
        b"a.",
        b"<a>",
    ],
)
def test_cost_is_linear(unit: bytes, steps: Callable[[Callable[[], object]], int]) -> None:
    def work(count: int) -> int:
        return steps(lambda: addresses(b"x @ " + unit * count))

    assert work(8000) <= 4.2 * work(2000)  # a collection of garbage may fall into one of them
