"""What SEARCH looks in: a text that is taken as it stands is the one that decoding finds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.mail.casemap import casemap
from hub.mail.headers import Headers, split_head
from hub.mail.searchtext import SearchText, body_texts, header_text
from hub.mail.structure import Structure

FIELDS = (
    b"Subject: One\r\n two =?utf-8?q?=C3=BC?=\r\n", b"Subject: plain\r\n", b"Message-ID: <a@b>\r\n",
    b"Content-Type: text/plain\r\n", b"content-type:\r\n text/html; charset=utf-8\r\n",
    b"Content-Type : TEXT/plain; charset=utf-7\r\n", b"Content-Type: text/plain; charset*=utf-16\r\n",
    b"Content-Type: text/plain; charset=iso-8859-1; name=n\r\n", b"Content-Type: text\r\n",
    b"Content-Type: text/(x)plain\r\n", b"Content-Type: (text/plain) image/png\r\n",
    b"Content-Type: image/png\r\n", b"Content-Type: multipart/mixed; boundary=b\r\n",
    b"Content-Type: message/rfc822\r\n", b"Content-Type: message /\r\n rfc822\r\n",
    b"Content-Disposition: attachment; filename*0 =a\r\n", b"Content-Transfer-Encoding: base64\r\n",
    b"Content-Transfer-Encoding: quoted-printable\r\n", b"Content-Transfer-Encoding: 7bit\r\n",
    b"X-Content-Type: text/plain\r\n", b"garbage\r\n",
)  # fmt: skip
LINES = (
    b"text\r\n", b"TEXT =C3=BC=\r\n", b"--b\r\n", b"--b--\r\n", b"\r\n", b"dGV4dA==\r\n", b"\xc3\xbc\r\n",
    b"\0\x7f\n", *FIELDS,
)  # fmt: skip
MESSAGES = st.builds(
    lambda head, body: b"".join([*head, b"\r\n", *body]),
    st.lists(st.sampled_from(FIELDS), max_size=5),
    st.lists(st.sampled_from(LINES), max_size=6),
)
NEEDLES = st.sampled_from(
    ("text", "ü", "=C3", "n", "b", "One two", "\r\n", "dGV4", "Subject: plain", "CONTENT")
)


@pytest.mark.proves("imap: SEARCH of text is quick where nothing is encoded, and finds the same")
@given(MESSAGES, NEEDLES)
def test_what_is_taken_as_it_stands_is_what_is_decoded(message: bytes, needle: str) -> None:
    at = split_head(message)
    head, body = message[:at], message[at:]
    decoded = b"\n".join(body_texts(Structure(body, head), body))
    said = SearchText(head, body)
    wanted = casemap(needle)
    assert said.body_has(wanted) == (wanted in decoded)
    assert said.has(wanted) == (wanted in decoded or wanted in header_text(Headers(head)))
    assert said.body() == decoded
    assert SearchText(head, body).everything() == header_text(Headers(head)) + b"\n" + decoded
