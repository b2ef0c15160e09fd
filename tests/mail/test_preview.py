"""Previews: the first words of what a reader shows first."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.mail.preview import MAX_PREVIEW, preview
from hub.mail.structure import Structure


def shown(message: bytes) -> str:
    return preview(Structure(message).root, message)


@pytest.mark.parametrize(
    ("message", "text"),
    [
        (b"Subject: x\r\n\r\n first\r\n\tline \r\n\r\nsecond\r\n", "first line second"),
        (b"Subject: x\r\n\r\n", ""),
        (
            b"Content-Type: text/html\r\n\r\n<head><title>no</title></head><!-- no > --><p>a&lt;b<br>c",
            "a<b c",
        ),
        (b"Content-Type: text/html\r\n\r\na<script>if (1 < 2) no()</script>b<style>never closed", "a b"),
        (b"Content-Type: application/pdf\r\n\r\n%PDF", ""),
        (b"Content-Type: text/plain\r\nContent-Disposition: attachment\r\n\r\nno", ""),
        (
            b"Content-Type: multipart/alternative; boundary=x\r\n\r\n--x\r\nContent-Type: text/html\r\n\r\n"
            b"<b>html</b>\r\n--x\r\n\r\nplain\r\n--x--\r\n",
            "plain",
        ),
        (b"Content-Type: text/plain; charset=utf-7\r\n\r\nx+2AA-y\0z", "xyz"),
    ],
)
def test_what_is_shown(message: bytes, text: str) -> None:
    assert shown(message) == text


@given(st.binary(max_size=300), st.sampled_from([b"text/plain", b"text/html"]))
def test_it_is_one_short_line_whatever_the_text(body: bytes, kind: bytes) -> None:
    found = shown(b"Content-Type: %b; charset=utf-8\r\n\r\n%b" % (kind, body * 3))
    assert len(found) <= MAX_PREVIEW
    assert found.isprintable()
