"""Whatever a message says, in whatever charset and however it is encoded: the index names it."""

from __future__ import annotations

import importlib
from base64 import b64encode
from binascii import b2a_qp
from collections.abc import Iterator

import pytest
from alembic.migration import MigrationContext
from alembic.operations import Operations
from hub_plugin_search_fts import tables
from hub_plugin_search_fts.tables import GRAM, Part
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, create_engine

from hub.mail.casemap import casemap
from hub.mail.headers import split_head
from hub.mail.relevance import folded, occurrences, words
from hub.mail.searchtext import SearchText

CHARSETS = (
    "us-ascii", "iso-8859-1", "iso-8859-7", "windows-1252", "koi8-r", "iso-2022-jp", "shift_jis", "euc-jp",
    "gb18030", "big5", "euc-kr", "utf-8", "utf-16", "utf-7", "utf-32", "x-unknown",
)  # fmt: skip
LETTERS = st.characters(codec="utf-8") | st.sampled_from('aAéÜßΣσςıİﬁ請が각\u0301"%_*\\')
SAID = st.lists(st.text(LETTERS, max_size=12), max_size=4).map(" ".join)


@st.composite
def messages(draw: st.DrawFn) -> bytes:
    """A message with a subject, a text in some charset and encoding, and perhaps an attachment's name."""
    charset = draw(st.sampled_from(CHARSETS))
    octets = draw(SAID).encode("utf-8" if charset == "x-unknown" else charset, "replace")
    octets += draw(st.binary(max_size=4))
    encoding = draw(st.sampled_from(("8bit", "base64", "quoted-printable")))
    body = octets if encoding == "8bit" else b64encode(octets) if encoding == "base64" else b2a_qp(octets)
    part = f"Content-Type: text/plain; charset={charset}\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n"
    word = b64encode(draw(SAID).encode("utf-8", "replace"))
    subject = b"Subject: =?utf-8?b?%b?=\r\n" % word
    if draw(st.booleans()):
        return subject + part.encode() + body
    name = draw(st.text("abc é", max_size=6)).encode()
    attached = b'Content-Type: image/png; name="%b"\r\n\r\nx\r\n' % name
    return b"%bContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n%b%b\r\n--b\r\n%b--b--\r\n" % (
        subject, part.encode(), body, attached,
    )  # fmt: skip


def text_of(message: bytes) -> SearchText:
    head = split_head(message)
    return SearchText(message[:head], message[head:])


@pytest.fixture
def db() -> Iterator[Connection]:
    """An index of its own, in memory."""
    with create_engine("sqlite://").connect() as connection:
        with Operations.context(MigrationContext.configure(connection)):
            for name in ("0001_index", "0002_folded"):
                importlib.import_module(f"hub_plugin_search_fts.migrations.{name}").upgrade()
        yield connection


@pytest.mark.proves("imap: search-fts, in any charset and encoding, the index finds what a scan finds")
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(messages(), min_size=1, max_size=4), st.data())
def test_whatever_a_scan_finds_is_named(db: Connection, found: list[bytes], data: st.DataObject) -> None:
    texts = dict(enumerate(map(text_of, found), 1))
    said = {uid: folded(text.everything()) for uid, text in texts.items()}
    with db.begin_nested() as undone:
        assert tables.add(db, [Part(1, 0, len(texts), dict(said))])
        for _ in range(4):
            whole = data.draw(st.sampled_from([text.everything() for text in texts.values()]))
            start = data.draw(st.integers(0, len(whole)))
            piece = whole[start : start + data.draw(st.integers(GRAM, 40))].decode("utf-8", "ignore")
            needle = casemap(data.draw(st.sampled_from((piece, piece.lower()))))
            holders = {uid for uid, text in texts.items() if text.has(needle)}
            if len(folded(needle)) >= GRAM:
                named, upto = tables.find(db, 1, folded(needle))
                assert holders <= named
                assert upto == len(texts)
            wanted = words(needle)
            if wanted and min(map(len, wanted)) >= GRAM:
                counts = {uid: occurrences(text, wanted) for uid, text in said.items()}
                expected = {uid: each for uid, each in counts.items() if any(each.counts)}
                assert tables.count(db, 1, wanted) == expected
        undone.rollback()
