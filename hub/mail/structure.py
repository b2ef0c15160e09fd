"""The MIME parts of a message as offsets into it (RFC 2045, RFC 2046); bodies are neither copied nor decoded.

One pass: outside of header blocks only lines that begin with two hyphens are looked at, each once, whatever
the depth. What BODYSTRUCTURE shows (RFC 3501 §7.4.2) is kept as the octets of the message.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from hub.mail.encoded import decode_base64, decode_charset, decode_quoted_printable
from hub.mail.headers import Headers
from hub.mail.parameters import Parameters, find_octets, find_parameter, parse_value

MAX_DEPTH = 100
MAX_PARTS = 10_000

_DELIMITER = re.compile(rb"\n--([^\n]*+)")
_FIRST_DELIMITER = re.compile(rb"--([^\n]*+)")
_BLANK_LINE_OR_DELIMITER = re.compile(rb"\n(?:\r?\n|--([^\n]*+))")
_TYPE = re.compile(rb"([^\s/]++)\s*+/\s*+([^\s/]++)")
_COUNT_STEP = 1 << 20
_SEARCH_STEP = 4 << 20  # a search for as long as this holds up the other threads

_MULTIPART = b"multipart"
_TEXT = (b"text", b"plain", ((b"charset", b"us-ascii"),))  # RFC 2045 §5.2
_MESSAGE = (b"message", b"rfc822", ())  # the default in a multipart/digest, RFC 2046 §5.1.5
_OPAQUE = (b"application", b"octet-stream", ())


@dataclass(frozen=True, slots=True)
class Part:
    """One part: what its header says, as octets and in its own case, and where it lies.

    The header block is [header_start:body_start] with its blank line, the body [body_start:body_end].
    `lines` counts the line feeds of the body. Children of a multipart are its parts; the child of a
    message/rfc822 is the message in it. A multipart without parts reads as text/plain. What lies too deep,
    the last part that is counted together with all behind it, and a message that is transfer-encoded against
    the rules read as application/octet-stream.
    """

    type: bytes
    subtype: bytes
    parameters: Parameters
    id: bytes | None
    description: bytes | None
    encoding: bytes | None
    md5: bytes | None
    disposition: bytes | None
    disposition_parameters: Parameters
    language: tuple[bytes, ...]
    location: bytes | None
    header_start: int
    body_start: int
    body_end: int
    lines: int
    children: tuple[Part, ...]

    @property
    def size(self) -> int:
        """Octets of the body, transfer-encoded as it is."""
        return self.body_end - self.body_start

    @property
    def content_type(self) -> str:
        """Type and subtype in lower case, as in `text/plain`."""
        return b"/".join((self.type, self.subtype)).lower().decode("latin-1")

    @property
    def is_multipart(self) -> bool:
        """Whether the children are the parts of this one."""
        return bool(self.children) and self.type.lower() == _MULTIPART

    @property
    def is_message(self) -> bool:
        """Whether the only child is a message that this part carries."""
        return bool(self.children) and self.type.lower() == b"message"

    @property
    def filename(self) -> str | None:
        """The name that the sender gave it, in Content-Disposition or else Content-Type; unsafe as a path."""
        name = find_parameter(self.disposition_parameters, b"filename")
        return self.parameter("name") if name is None else name

    def parameter(self, name: str) -> str | None:
        """Text of a Content-Type parameter, RFC 2231 decoded."""
        return find_parameter(self.parameters, name.lower().encode("utf-8", "replace"))

    def walk(self) -> Iterator[Part]:
        """This part and all below it, each before its children."""
        stack = [self]
        while stack:
            part = stack.pop()
            yield part
            stack.extend(reversed(part.children))


class Structure:
    """The tree of parts of one message, without its octets: give those again to `decoded` and `text`.

    head: the message's header block, if `data` is its body alone; then offsets count in the body.
    """

    __slots__ = ("root",)

    def __init__(self, data: bytes | memoryview, head: bytes = b"") -> None:
        self.root = _Scanner(data, head).run()

    def part(self, path: tuple[int, ...]) -> Part | None:
        """The part of an IMAP section number such as (1, 2) (RFC 3501 §6.4.5); () is the message; else None.

        Part 1 of a message that is not multipart is its body. Numbers below a message/rfc822 count in the
        message that it carries.
        """
        part, whole = self.root, True  # whole: `part` stands for a message, not for a part of one
        for number in path:
            if not whole and part.is_message:
                part, whole = part.children[0], True
            if part.is_multipart:
                if not 1 <= number <= len(part.children):
                    return None
                part, whole = part.children[number - 1], False
            elif whole and number == 1:
                whole = False
            else:
                return None
        return part

    def walk(self) -> Iterator[Part]:
        """All parts in the order of the message, messages in messages included."""
        return self.root.walk()


def decoded(part: Part, data: bytes | memoryview) -> bytes:
    """The body of a part without its transfer encoding, lenient; as it stands if that is unknown."""
    body = bytes(data[part.body_start : part.body_end])
    match _transfer_encoding(part.encoding):
        case b"base64":
            return decode_base64(body)
        case b"quoted-printable":
            return decode_quoted_printable(body)
    return body


def text(part: Part, data: bytes | memoryview) -> str:
    """The body of a part as text in the charset it names; what does not fit becomes U+FFFD. Never raises."""
    return decode_charset(decoded(part, data), part.parameter("charset") or "")


def _mechanism(value: bytes | None) -> bytes | None:
    """What stands there without comments (RFC 2045 §6.1); None for nothing."""
    return None if value is None else parse_value(value)[0] or None


def _transfer_encoding(value: bytes | None) -> bytes:
    return (_mechanism(value) or b"7bit").lower()


@dataclass(slots=True)
class _Open:
    """A part whose end is not found yet."""

    header_start: int
    media: tuple[bytes, bytes, Parameters]
    body_start: int = -1
    first_line: int = 0
    content: dict[bytes, bytes] = field(default_factory=dict)
    boundary: bytes = b""
    opaque: bool = False
    children: list[Part] = field(default_factory=list)


class _Scanner:
    """The pass over a message: `stack` holds the open parts, from the message down to the innermost."""

    def __init__(self, data: bytes | memoryview, head: bytes) -> None:
        self.data = data
        self.head = head
        self.stack: list[_Open] = []
        self.boundaries: dict[bytes, list[int]] = {}  # where in the stack each one stands, innermost last
        self.count = 0
        self.lines = 0  # line feeds in data[:lines_to]
        self.lines_to = 0

    def run(self) -> Part:
        data = self.data
        in_header = self._open(0, _TEXT)
        at = 0
        if self.head:
            in_header = self._begin_body(0)
            if not in_header and (first := _FIRST_DELIMITER.match(data)):
                in_header = self._delimiter(first[1], 0, first.end(), in_header)
                at = first.end()
        for blank in (b"\n", b"\r\n"):  # a message without a header
            if in_header and at == 0 and data[: len(blank)] == blank:
                in_header = self._begin_body(len(blank))
                at = len(blank) - 1
        while self.count < MAX_PARTS or in_header:
            found = self._search(_BLANK_LINE_OR_DELIMITER if in_header else _DELIMITER, at)
            if found is None:
                break
            line = found[1]
            if line is None:
                in_header = self._begin_body(found.end())
                at = found.end() - 1  # this line feed may also begin a delimiter
            else:
                in_header = self._delimiter(line, found.start(), found.end(), in_header)
                at = found.end()
        size = len(data)
        return self._close_to(0, size)

    def _search(self, pattern: re.Pattern[bytes], at: int) -> re.Match[bytes] | None:
        size = len(self.data)
        while True:
            end = min(at + _SEARCH_STEP, size)
            found = pattern.search(self.data, at, end)
            if found is not None and found.end() == end < size:  # the line may go on
                return pattern.match(self.data, found.start())
            if found is not None or end == size:
                return found
            at = end - 2  # what is searched for may begin there

    def _open(self, start: int, media: tuple[bytes, bytes, Parameters]) -> bool:
        self.stack.append(_Open(start, media))
        self.count += 1
        return True

    def _delimiter(self, line: bytes, start: int, end: int, in_header: bool) -> bool:
        """Act on a line that begins with two hyphens; whether a header block begins or goes on.

        line: what follows the hyphens. start: the offset of the line feed before them. end: the line's end.
        """
        boundary = line.rstrip(b" \t\r")  # RFC 2046 §5.1.1: transport padding
        levels = self.boundaries.get(boundary)
        closing = levels is None and boundary.endswith(b"--")
        if closing:
            boundary = boundary[:-2]
            levels = self.boundaries.get(boundary)
        if levels is None:
            return in_header
        level = levels[-1]
        body_end = start - 1 if start and self.data[start - 1 : start] == b"\r" else start
        if level + 1 < len(self.stack):
            self._close_to(level + 1, body_end)
        multipart = self.stack[level]
        if closing:
            self._forget(multipart)  # what follows is its epilogue
            return False
        if self.count >= MAX_PARTS:
            return False
        in_digest = multipart.media[1].lower() == b"digest"
        return self._open(min(end + 1, len(self.data)), _MESSAGE if in_digest else _TEXT)

    def _begin_body(self, offset: int) -> bool:
        """Read the header of the innermost part; whether a header block follows, that of a message in it."""
        part = self.stack[-1]
        self._read_header(part, offset)
        kind, subtype, parameters = part.media
        kind = kind.lower()
        is_message = kind == b"message" and subtype.lower() in (b"rfc822", b"global")
        if kind != _MULTIPART and not is_message:
            part.opaque = self.count >= MAX_PARTS
            return False
        if len(self.stack) > MAX_DEPTH or self.count >= MAX_PARTS:
            part.opaque = True
            return False
        if is_message:
            encoding = _transfer_encoding(part.content.get(b"content-transfer-encoding"))
            part.opaque = encoding in (b"base64", b"quoted-printable")  # RFC 2046 §5.2.1
            return False if part.opaque else self._open(offset, _TEXT)
        boundary = (find_octets(parameters, b"boundary") or (b"", None))[0].rstrip()
        if boundary:
            part.boundary = boundary
            self.boundaries.setdefault(boundary, []).append(len(self.stack) - 1)
        return False

    def _read_header(self, part: _Open, offset: int) -> None:
        part.body_start = offset
        part.first_line = self._line_at(offset)
        in_head = self.head and part is self.stack[0]
        headers = Headers(self.head if in_head else bytes(self.data[part.header_start : offset]))
        part.content = _content_fields(headers)
        value = part.content.get(b"content-type")
        if value is not None:
            main, parameters = parse_value(value)
            match = _TYPE.fullmatch(main)
            part.media = (match[1], match[2], parameters) if match else _TEXT

    def _close_to(self, level: int, end: int) -> Part:
        """Close the open parts from the innermost up to `level`, all of them at `end`.

        That is before the line end which belongs to the delimiter (RFC 2046 §5.1.1), unless this line end is
        the blank line after a header.
        """
        while True:
            index = len(self.stack) - 1
            part = self.stack[-1]
            if part.body_start < 0:
                self._read_header(part, max(end, part.header_start))
            end = max(end, part.body_start)
            closed = self._closed(part, end)
            self._forget(part)
            self.stack.pop()
            if self.stack:
                self.stack[-1].children.append(closed)
            if index == level:
                return closed

    def _forget(self, part: _Open) -> None:
        if part.boundary:
            levels = self.boundaries[part.boundary]
            levels.pop()
            if not levels:
                del self.boundaries[part.boundary]
            part.boundary = b""

    def _line_at(self, offset: int) -> int:
        """How many line feeds stand before an offset. Offsets may not fall: each octet is counted once."""
        while self.lines_to < offset:
            step = min(offset, self.lines_to + _COUNT_STEP)
            if isinstance(self.data, bytes):
                self.lines += self.data.count(b"\n", self.lines_to, step)
            else:
                self.lines += bytes(self.data[self.lines_to : step]).count(b"\n")
            self.lines_to = step
        return self.lines

    def _closed(self, part: _Open, body_end: int) -> Part:
        kind, subtype, parameters = part.media
        content = part.content
        if part.opaque or (kind.lower() == b"message" and subtype.lower() == b"rfc822" and not part.children):
            kind, subtype, parameters = _OPAQUE
        elif kind.lower() == _MULTIPART and not part.children:
            kind, subtype, parameters = _TEXT
        raw_disposition = content.get(b"content-disposition")
        disposition, disposition_parameters = parse_value(raw_disposition) if raw_disposition else (None, ())
        languages = content.get(b"content-language", b"").split(b",")
        return Part(
            type=kind,
            subtype=subtype,
            parameters=parameters,
            id=content.get(b"content-id"),
            description=content.get(b"content-description"),
            encoding=_mechanism(content.get(b"content-transfer-encoding")),
            md5=content.get(b"content-md5"),
            disposition=disposition or None,
            disposition_parameters=disposition_parameters,
            language=tuple(stripped for language in languages if (stripped := language.strip())),
            location=content.get(b"content-location"),
            header_start=part.header_start,
            body_start=part.body_start,
            body_end=body_end,
            lines=self._line_at(body_end) - part.first_line,
            children=tuple(part.children),
        )


def _content_fields(headers: Headers) -> dict[bytes, bytes]:
    """The first of each Content-* field by its lower-cased name, unfolded."""
    table = headers.table
    return {name: table[name][0] for name in table if name.startswith(b"content-")}
