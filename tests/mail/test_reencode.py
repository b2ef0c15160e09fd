"""Messages with binary parts become messages of lines that say the same."""

from __future__ import annotations

import re
from email import message_from_bytes

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.mail.lines import STEP, has_bare_line_end, is_lines
from hub.mail.reencode import NotMime, reencode
from hub.mail.structure import MAX_PARTS, Structure

HEAD = b"Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
JPEG = bytes(range(256)) * 3 + b"\r\n.\r\n\n\n--\r--b\n--"


def changed(head: bytes, body: bytes) -> bytes:
    """The whole new message; AssertionError if nothing had to change."""
    found = reencode(head, body)
    assert found is not None
    again = reencode(head, memoryview(b"......" + body)[6:])
    assert again is not None
    new = found[0] + b"".join(found[1])
    assert new == again[0] + b"".join(again[1])
    assert is_lines(new, 0, len(new))
    return new


def leaves(message: bytes) -> list[bytes]:
    """What the parts say, decoded by the standard library."""
    found = []
    for each in message_from_bytes(message).walk():
        if not each.is_multipart():
            content = each.get_payload(decode=True)
            assert isinstance(content, bytes)
            found.append(content)
    return found


def part(content: bytes, kind: bytes = b"application/octet-stream", encoding: bytes = b"binary") -> bytes:
    """A delimiter and a part."""
    return b"--b\r\nContent-Type: %s\r\nContent-Transfer-Encoding: %s\r\n\r\n%s\r\n" % (
        kind,
        encoding,
        content,
    )


def test_only_the_part_that_needs_it_changes() -> None:
    first, last = (
        part(b"text\r\n\xc3\xbc", b"text/plain", b"8bit"),
        part(b"aGk=", b"image/png", b"base64") + b"--b--\r\nepilogue\r\n",
    )
    new = changed(HEAD, b"preamble\r\n" + first + part(JPEG, b"image/jpeg") + last)
    assert new.startswith(
        HEAD
        + b"preamble\r\n"
        + first
        + b"--b\r\nContent-Type: image/jpeg\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    )
    assert new.endswith(b"\r\n" + last)
    assert leaves(new)[1] == JPEG


def test_message_of_lines_stays() -> None:
    body = (
        part(b"text\r\n\xc3\xbc", b"text/plain", b"8bit")
        + part(b"aGk=", b"image/png", b"base64")
        + b"--b--\r\n"
    )
    assert reencode(HEAD, body) is None
    assert reencode(b"Subject: x\r\n\r\n", b"no MIME at all") is None
    assert reencode(b"\r\n", b"") is None


def test_binary_that_is_lines_is_only_labelled_anew() -> None:
    new = changed(
        HEAD, part(b"a,b\r\nc,\xfc", b"text/csv") + part(b"x" * 998, b"application/json") + b"--b--\r\n"
    )
    assert (
        new
        == HEAD
        + part(b"a,b\r\nc,\xfc", b"text/csv", b"8bit")
        + part(b"x" * 998, b"application/json", b"8bit")
        + b"--b--\r\n"
    )


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        (b"one very long line: " + b"word = \t" * 200 + b" \r\nshort \r\n.\r\nFrom me", b"quoted-printable"),
        (b"x" * 2000, b"quoted-printable"),
        (b"a NUL \0 in it\r\n", b"quoted-printable"),
        (b"a bare \n in it\r\n", b"base64"),
        (b"long and not Latin" + "漢字".encode() * 300, b"base64"),
        (b"y" * (300 * 1024), b"base64"),
    ],
)
def test_text_becomes_what_suits_it(text: bytes, encoding: bytes) -> None:
    new = changed(HEAD, part(text, b"text/plain; charset=utf-8") + b"--b--\r\n")
    assert b"Content-Transfer-Encoding: " + encoding + b"\r\n\r\n" in new
    assert leaves(new) == [text]


@pytest.mark.parametrize(
    "head",
    [
        b"Content-Type: image/png\r\nContent-transfer-encoding : binary\r\nX: y\r\n\r\n",
        b"Content-Type: image/png\r\n\r\n",
    ],
)
def test_message_that_is_one_part_changes_its_own_header(head: bytes) -> None:
    new = changed(b"Received: by us\r\n" + head, JPEG)
    assert new.startswith(b"MIME-Version: 1.0\r\nReceived: by us\r\nContent-Type: image/png\r\n")
    assert new.lower().count(b"content-transfer-encoding: base64\r\n") == 1
    assert b"binary" not in new
    assert leaves(new) == [JPEG]


def test_encoding_said_twice_is_said_once() -> None:
    body = b"--b\r\nContent-Transfer-Encoding: binary\r\nContent-Type: a/b\r\n"
    body += b"Content-Transfer-Encoding: 7bit\r\n\r\n" + JPEG
    new = changed(HEAD, body + b"\r\n--b--\r\n")
    assert b"--b\r\nContent-Transfer-Encoding: base64\r\nContent-Type: a/b\r\n\r\n" in new


def test_parts_in_parts_and_messages_in_messages_are_reached() -> None:
    inner = b"Content-Type: multipart/alternative; boundary=c\r\nContent-Transfer-Encoding: binary\r\n\r\n"
    inner += (
        b"--c\r\nContent-Type: text/plain\r\n\r\nhello\r\n--c\r\nContent-Type: image/png\r\n\r\n"
        + JPEG
        + b"\r\n--c--"
    )
    forwarded = b"Subject: old\r\nContent-Type: image/gif\r\nContent-Transfer-Encoding: binary\r\n\r\n" + JPEG
    body = b"--b\r\n" + inner + b"\r\n" + part(forwarded, b"message/rfc822") + b"--b--\r\n"
    head = HEAD.replace(b"\r\n\r\n", b"\r\nContent-Transfer-Encoding: binary\r\n\r\n")
    new = changed(head, body)
    assert leaves(new) == [b"hello", JPEG, JPEG]
    assert b"binary" not in new
    parts = list(Structure(new).walk())
    assert [each.content_type for each in parts] == [
        "multipart/mixed", "multipart/alternative", "text/plain", "image/png", "message/rfc822", "image/gif",
    ]  # fmt: skip
    assert [each.encoding for each in parts] == [b"8bit", b"8bit", None, b"base64", b"8bit", b"base64"]


def test_message_that_is_a_message_is_reached() -> None:
    new = changed(
        b"Content-Type: message/rfc822\r\n\r\n", b"Subject: in it\r\nContent-Type: a/b\r\n\r\n" + JPEG
    )
    assert leaves(new) == [JPEG]
    new = changed(b"Content-Type: message/rfc822\r\n\r\n", b"\r\n" + b"x" * 999)
    assert leaves(new) == [b"x" * 999]


@pytest.mark.parametrize(
    ("head", "body", "reason"),
    [
        (b"Subject: a\nb\r\n\r\n", b"", "line of the header block"),
        (HEAD, b"a\nb\r\n" + part(JPEG) + b"--b--\r\n", "outside of binary parts"),
        (HEAD, b"--b\r\nX: a\rb\r\n\r\n" + b"hello\r\n--b--\r\n", "outside of binary parts"),
        (HEAD, b"--b\r\nX: a\nb: c\r\n\r\n" + JPEG + b"\r\n--b--\r\n", "header does not end"),
        (HEAD, part(JPEG, b"image/png", b"base64") + b"--b--\r\n", "encoded as base64 is not made of lines"),
        (HEAD, part(JPEG, b"image/png", b"uuencode") + b"--b--\r\n", "encoded as uuencode"),
        (HEAD, JPEG, "may not be encoded"),
        (HEAD, part(JPEG, b"multipart/mixed") + b"--b--\r\n", "may not be encoded"),
        (HEAD, part(JPEG, b"message/partial") + b"--b--\r\n", "may not be encoded"),
        (HEAD, part(b"x") * (MAX_PARTS + 1) + part(JPEG) + b"--b--\r\n", "too many parts"),
    ],
)  # fmt: skip
def test_what_cannot_be_understood_is_said(head: bytes, body: bytes, reason: str) -> None:
    with pytest.raises(NotMime, match=reason):
        changed(head, body)


def test_parts_too_deep_to_be_read_are_refused() -> None:
    head = b"Content-Type: multipart/mixed; boundary=b0\r\n\r\n"
    body = b"".join(
        b"--b%d\r\nContent-Type: multipart/mixed; boundary=b%d\r\n\r\n" % (i, i + 1) for i in range(200)
    )
    with pytest.raises(NotMime, match="may not be encoded"):
        changed(head, body + b"--b200\r\n\r\n" + JPEG)


LEAF = st.tuples(
    st.sampled_from([b"text/plain", b"application/pdf", b"text/html; charset=utf-8"]),
    st.sampled_from([b"binary", b"8bit", b"7bit"]),
    st.one_of(
        st.binary(max_size=300),
        st.lists(
            st.sampled_from([b"\r\n", b"\n", b"\r", b"a", b" ", b"=", b"--", b".", b"x" * 990]), max_size=30
        ).map(b"".join),
    ),
)


@given(leaves_=st.lists(LEAF, min_size=1, max_size=4), depth=st.integers(0, 3))
@settings(max_examples=300, deadline=None)
def test_any_parts_say_the_same_afterwards(leaves_: list[tuple[bytes, bytes, bytes]], depth: int) -> None:
    body = b"".join(part(content, kind, encoding) for kind, encoding, content in leaves_) + b"--b--\r\n"
    head = HEAD
    for level in range(depth):
        boundary = b"outer%d" % level
        body = b"--%s\r\n%s%s--%s--\r\n" % (boundary, head, body, boundary)
        head = b"MIME-Version: 1.0\r\nContent-Type: multipart/related; boundary=%s\r\n\r\n" % boundary
    found = reencode(head, body)
    new = head + body if found is None else found[0] + b"".join(found[1])
    assert is_lines(new, 0, len(new))
    assert b"binary" not in re.sub(rb"\r\n\r\n.*?\r\n--", b"", new, flags=re.DOTALL)
    scanned = Structure(new)
    assert len([each for each in scanned.walk() if not each.children]) == len(leaves_)
    assert leaves(new) == [content for _, _, content in leaves_]


@pytest.mark.parametrize("size", [STEP - 1, STEP, STEP + 1, 3 * STEP])
@pytest.mark.parametrize("end", [b"\r\n", b"\r", b"\n", b"\r\r\n"])
def test_line_ends_are_seen_wherever_a_step_ends(size: int, end: bytes) -> None:
    for before in range(max(0, size - 3), size + 3):
        data = (b"x" * 70 + b"\r\n") * (before // 72) + b"y" * (before % 72) + end + b"z\r\n"
        assert is_lines(data, 0, len(data)) == (not has_bare_line_end(data)) == (end == b"\r\n")


def test_long_lines_are_seen_across_steps() -> None:
    data = b"x" * 998 + b"\r\n"
    assert is_lines(data * 1000, 0, len(data) * 1000)
    long = b"ab\r\n" * (STEP // 4 - 1) + b"c" * 999 + b"\r\n"
    assert not is_lines(long, 0, len(long))
    assert is_lines(long, 0, STEP)
