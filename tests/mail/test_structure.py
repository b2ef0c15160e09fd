"""The MIME tree: offsets that nest, section numbers, bombs, and agreement with the standard library."""

from __future__ import annotations

from collections.abc import Callable
from email import message_from_bytes, policy
from email.message import Message
from email.mime.application import MIMEApplication
from email.mime.message import MIMEMessage
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.mail.structure import MAX_DEPTH, MAX_PARTS, Part, Structure, decoded, text

MIXED = b"""\
From: alice@example.test
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary="outer"
Content-Language: de, en

preamble
--outer

hello
world
--outer  \t
Content-Type: multipart/alternative; boundary=outer-2
Content-ID: <alt@example.test>

--outer-2
Content-Type: Text/HTML; charset=ISO-8859-1
Content-Transfer-Encoding: Quoted-Printable
Content-MD5: Q2hlY2sgSW50ZWdyaXR5IQ==
Content-Location: http://example.test/

h=E4
--outer-2
Content-Type: image/png; name=a.png
Content-Transfer-Encoding: base64
Content-Disposition: attachment; filename*=utf-8''b%C3%A4.png
Content-Description: a
 picture

AAEC
Aw==
--outer-2--

--outer
Content-Type: message/rfc822

Subject: inner
Content-Type: multipart/digest; boundary=inner

--inner

Subject: digested

one
--inner
Content-Type: text/plain

two
--inner--
--outer--
epilogue
--outer
not a part
""".replace(b"\n", b"\r\n")


def _body(part: Part | None, data: bytes = MIXED) -> bytes:
    assert part is not None
    return data[part.body_start : part.body_end]


def test_parts_are_found_in_order() -> None:
    assert [part.content_type for part in Structure(MIXED).walk()] == [
        "multipart/mixed",
        "text/plain",
        "multipart/alternative",
        "text/html",
        "image/png",
        "message/rfc822",
        "multipart/digest",
        "message/rfc822",
        "text/plain",
        "text/plain",
    ]


@pytest.mark.parametrize(
    ("path", "content_type", "start"),
    [
        ((), "multipart/mixed", b"preamble"),
        ((1,), "text/plain", b"hello\r\nworld"),
        ((2,), "multipart/alternative", b"--outer-2"),
        ((2, 1), "text/html", b"h=E4"),
        ((2, 2), "image/png", b"AAEC"),
        ((3,), "message/rfc822", b"Subject: inner"),
        ((3, 1), "message/rfc822", b"Subject: digested"),
        ((3, 1, 1), "text/plain", b"one"),
        ((3, 2), "text/plain", b"two"),
    ],
)
def test_section_numbers_lead_to_parts(path: tuple[int, ...], content_type: str, start: bytes) -> None:
    part = Structure(MIXED).part(path)
    assert part is not None
    assert part.content_type == content_type
    assert _body(part).startswith(start)


@pytest.mark.parametrize(
    "path", [(0,), (-1,), (4,), (1, 1), (2, 3), (2, 1, 1), (3, 3), (3, 1, 2), (3, 1, 1, 1)]
)
def test_other_numbers_lead_nowhere(path: tuple[int, ...]) -> None:
    assert Structure(MIXED).part(path) is None


def test_part_1_of_a_simple_message_is_its_body() -> None:
    structure = Structure(b"Subject: x\r\n\r\nbody")
    assert structure.part((1,)) is structure.root
    assert structure.part((1, 1)) is None
    assert structure.part((2,)) is None


def test_a_message_that_is_a_message_is_numbered_through() -> None:
    data = b"Content-Type: message/rfc822\r\n\r\nSubject: x\r\n\r\nbody"
    structure = Structure(data)
    assert structure.part((1,)) is structure.root
    assert _body(structure.part((1, 1)), data) == b"body"


def test_bodies_end_before_the_line_end_of_the_delimiter() -> None:
    structure = Structure(MIXED)
    assert _body(structure.part((1,))) == b"hello\r\nworld"
    assert _body(structure.part((3, 2))) == b"two"
    assert _body(structure.root).endswith(b"not a part\r\n")


def test_lines_are_the_line_feeds_of_the_body() -> None:
    for data in (MIXED, memoryview(MIXED)):
        for part in Structure(data).walk():
            assert part.lines == _body(part).count(b"\n")


def test_header_values_stay_as_they_are() -> None:
    structure = Structure(MIXED)
    html, png = structure.part((2, 1)), structure.part((2, 2))
    assert html is not None
    assert png is not None
    assert (html.type, html.subtype, html.parameters) == (b"Text", b"HTML", ((b"charset", b"ISO-8859-1"),))
    assert (html.encoding, html.md5) == (b"Quoted-Printable", b"Q2hlY2sgSW50ZWdyaXR5IQ==")
    assert html.location == b"http://example.test/"
    assert (png.disposition, png.description) == (b"attachment", b"a picture")
    assert png.disposition_parameters == ((b"filename*", b"utf-8''b%C3%A4.png"),)
    assert png.filename == "bä.png"
    assert png.parameter("Name") == "a.png"
    assert structure.root.language == (b"de", b"en")
    alternative = structure.part((2,))
    assert alternative is not None
    assert alternative.id == b"<alt@example.test>"
    plain = structure.part((1,))
    assert plain is not None
    assert plain.parameters == ((b"charset", b"us-ascii"),)
    assert (plain.encoding, plain.disposition, plain.language) == (None, None, ())


def test_bodies_are_decoded() -> None:
    structure = Structure(MIXED)
    html, png = structure.part((2, 1)), structure.part((2, 2))
    assert html is not None
    assert png is not None
    assert decoded(html, MIXED) == b"h\xe4"
    assert text(html, MIXED) == "hä"
    assert decoded(png, memoryview(MIXED)) == b"\0\1\2\3"


def test_line_feeds_alone_do_as_well() -> None:
    ours = [(part.content_type, part.lines) for part in Structure(MIXED.replace(b"\r\n", b"\n")).walk()]
    assert ours == [(part.content_type, part.lines) for part in Structure(MIXED).walk()]


def _types(data: bytes) -> list[str]:
    return [part.content_type for part in Structure(data).walk()]


HEAD = b"Content-Type: multipart/mixed; boundary=b\n\n"


@pytest.mark.parametrize(
    ("data", "types"),
    [
        (b"", ["text/plain"]),
        (b"\n", ["text/plain"]),
        (b"\r\nbody\r\n\r\nmore", ["text/plain"]),
        (b"Subject: no body", ["text/plain"]),
        (b"Content-Type: nonsense\n\n", ["text/plain"]),
        (b"Content-Type:\n\n", ["text/plain"]),
        (b"Content-Type: a/b/c\n\n", ["text/plain"]),
        (HEAD, ["text/plain"]),  # no part in it
        (HEAD + b"--b--\n", ["text/plain"]),
        (b"Content-Type: multipart/mixed\n\n--\n--\n", ["text/plain"]),
        (HEAD + b"--b", ["multipart/mixed", "text/plain"]),
        (HEAD + b"--b\n", ["multipart/mixed", "text/plain"]),
        (HEAD + b"--b\n--b\n--b--\n", ["multipart/mixed", "text/plain", "text/plain"]),
        (HEAD + b"--b\n\n--b\n\n--b--\n", ["multipart/mixed", "text/plain", "text/plain"]),
        (HEAD + b"--b\nContent-Type: image/png\n--b--", ["multipart/mixed", "image/png"]),  # no blank line
        (HEAD + b"--bb\n\n--b c\n\nx--b\n", ["text/plain"]),
        (HEAD + b"--b\n\n--B--\n", ["multipart/mixed", "text/plain"]),
        (HEAD + b"--b\nContent-Type: message/rfc822\n--b\n\n", ["multipart/mixed", "application/octet-stream",
                                                               "text/plain"]),
        (HEAD + b"--b\nContent-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\nYQ==\n--b--",
         ["multipart/mixed", "application/octet-stream"]),
        (HEAD + b"--b\nContent-Type: message/rfc822\n\n--b--",
         ["multipart/mixed", "message/rfc822", "text/plain"]),
        # one boundary on two levels: the inner one takes what follows
        (HEAD + b"--b\n" + HEAD + b"--b\n\nx\n--b--\n--b\n\ny\n--b--\n",
         ["multipart/mixed", "multipart/mixed", "text/plain", "text/plain"]),
        # an inner part that is never closed ends with the outer one
        (HEAD + b"--b\nContent-Type: multipart/mixed; boundary=c\n\n--c\n\nx\n--b\n\ny\n",
         ["multipart/mixed", "multipart/mixed", "text/plain", "text/plain"]),
        (b'Content-Type: multipart/mixed; boundary="b--"\n\n--b--\n\nx\n--b----\n--b--\n\n',
         ["multipart/mixed", "text/plain"]),
        (b"Content-Type: multipart/mixed; boundary*0=a; boundary*1=b\n\n--ab\n\nx",
         ["multipart/mixed", "text/plain"]),
        (b'Content-Type: multipart/mixed; boundary="=?x?q?b?="\n\n--=?x?q?b?=\n\nx',
         ["multipart/mixed", "text/plain"]),
        (b"Content-Type: message/partial; id=x\n\nSubject: x\n\n", ["message/partial"]),
        (b"Content-Type: message/global\n\nSubject: x\n\n", ["message/global", "text/plain"]),
    ],
)  # fmt: skip
def test_malformed_messages_have_a_structure(data: bytes, types: list[str]) -> None:
    for octets in (data, data.replace(b"\n", b"\r\n")):
        assert _types(octets) == types
        _check(Structure(octets).root, 0, len(octets))


def _check(part: Part, start: int, end: int) -> None:
    """Parts lie within their parent's body, in order and apart."""
    assert start <= part.header_start <= part.body_start <= part.body_end <= end
    at = part.body_start
    for child in part.children:
        _check(child, at, part.body_end)
        at = child.body_end


_PIECES = st.sampled_from(
    [
        b"Content-Type: multipart/mixed; boundary=b\r\n",
        b"Content-Type: multipart/digest; boundary=c\n",
        b"Content-Type: message/rfc822\n",
        b"Content-Transfer-Encoding: base64\n",
        b"\n--b\n",
        b"\r\n--c\r\n",
        b"\n--b--",
        b"\r\n--c--",
        b"--",
        b"b",
        b"c",
        b"\r\n",
        b"\n",
        b"\n\n",
        b"\r\n\r\n",
        b"\r",
        b" ",
        b"text",
    ]
)
_STARTS = st.sampled_from([b"", HEAD, HEAD + b"--b\n", b"Content-Type: message/rfc822\n\n"])
_PIECED = st.builds(lambda start, pieces: start + b"".join(pieces), _STARTS, st.lists(_PIECES, max_size=30))


@settings(max_examples=400)
@given(st.binary(max_size=100) | _PIECED)
def test_any_octets_have_a_structure_whose_parts_nest(data: bytes) -> None:
    structure = Structure(data)
    _check(structure.root, 0, len(data))
    assert structure.root.body_end == len(data)
    for part in structure.walk():
        assert part.lines == data[part.body_start : part.body_end].count(b"\n")
        assert len(decoded(part, data)) <= part.size
        assert len(text(part, data)) <= part.size
        assert isinstance(part.filename, str | None)
    assert Structure(memoryview(data)).root == structure.root


_LEAVES = st.one_of(
    st.builds(
        MIMEText,
        st.text(st.characters(blacklist_categories=["Cc", "Cs"]), max_size=60),
        st.just("plain"),
        st.just("utf-8"),
    ),
    st.builds(
        MIMEText,
        st.from_regex(r"[a-z -]{0,40}(\n[a-z-]{0,40}){0,3}", fullmatch=True),
        st.just("html"),
        st.just("us-ascii"),
    ),
    st.builds(MIMEApplication, st.binary(max_size=100)),
)


def _multipart(children: list[Message]) -> Message:
    message: Message = MIMEMultipart("mixed")
    for child in children:
        message.attach(child)
    return message


_MESSAGES: st.SearchStrategy[Message] = st.recursive(
    _LEAVES,
    lambda inner: st.lists(inner, min_size=1, max_size=4).map(_multipart) | inner.map(MIMEMessage),
    max_leaves=12,
)


@given(_MESSAGES)
def test_generated_messages_read_as_the_standard_library_reads_them(message: Message) -> None:
    data = message.as_bytes(policy=policy.SMTP)
    theirs = list(message_from_bytes(data).walk())
    ours = list(Structure(data).walk())
    assert [part.content_type for part in ours] == [part.get_content_type() for part in theirs]
    for mine, their in zip(ours, theirs, strict=True):
        if not their.is_multipart():
            assert decoded(mine, data) == their.get_payload(decode=True)
    _check(ours[0], 0, len(data))


def _nested(depth: int) -> bytes:
    return b"".join(b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (i, i) for i in range(depth))


def _nested_messages(depth: int) -> bytes:
    return b"Content-Type: message/rfc822\n\n" * depth


@pytest.mark.parametrize("bomb", [_nested, _nested_messages])
def test_what_is_nested_too_deep_is_one_opaque_part(bomb: Callable[[int], bytes]) -> None:
    data = bomb(3000) + b"\ninnermost"
    parts = list(Structure(data).walk())
    assert len(parts) == MAX_DEPTH + 1
    assert parts[-1].content_type == "application/octet-stream"
    assert parts[-1].body_end == len(data)
    assert not any(
        part.content_type == "application/octet-stream" for part in Structure(bomb(MAX_DEPTH)).walk()
    )


def test_what_follows_the_last_part_allowed_belongs_to_it() -> None:
    data = HEAD + b"--b\n\nx\n" * (MAX_PARTS * 2)
    root = Structure(data).root
    assert len(root.children) == MAX_PARTS - 1  # the message is a part too
    last = root.children[-1]
    assert last.content_type == "application/octet-stream"
    assert last.body_end == len(data)
    assert {child.content_type for child in root.children[:-1]} == {"text/plain"}


def _many_parts(count: int) -> bytes:
    return HEAD + b"--b\n\nx\n" * count


def _many_false_delimiters(count: int) -> bytes:
    return _nested(90) + b"\n" + b"--x\n--b--x\n" * count


def _same_boundary_deep(count: int) -> bytes:
    return HEAD + (b"--b\n" + HEAD) * 90 + b"--b--\n--b\n" * count


def _many_messages(count: int) -> bytes:
    return b"Content-Type: multipart/digest; boundary=b\n\n" + b"--b\n\nSubject: x\n\ny\n" * count


def _header_full_of_delimiters(count: int) -> bytes:
    return HEAD + b"--b\n" + b"--x: y\n" * count


@pytest.mark.parametrize(
    "bomb",
    [_many_parts, _many_false_delimiters, _same_boundary_deep, _many_messages, _header_full_of_delimiters],
)
def test_cost_is_linear(bomb: Callable[[int], bytes], steps: Callable[[Callable[[], object]], int]) -> None:
    def work(count: int) -> int:
        data = bomb(count)
        return steps(lambda: Structure(data))

    assert work(2000) <= 4.2 * work(500)  # a collection of garbage may fall into one of them


@pytest.mark.parametrize(
    "unit", [b"-", b"--", b"\n--", b"\n", b"\r", b"\n--b", b"\n--b ", b"\n--b--", b" ", b"\r\n\r"]
)
def test_a_megabyte_of_anything_is_scanned_without_going_back(unit: bytes) -> None:
    # Quadratic work on any of these would run into the suite's time limit.
    data = HEAD + b"--b\n" + unit * (1_000_000 // len(unit))
    assert Structure(data).root.body_end == len(data)
