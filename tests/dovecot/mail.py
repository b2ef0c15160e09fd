"""Messages that searches, sorts and threads can tell apart: a few words of each kind in all combinations."""

from __future__ import annotations

from base64 import b64encode
from typing import Final

from hypothesis import strategies as st

WORDS: Final = ("apple", "Pear", "plum", "quince", "straße", "naïve", "данные", "表")
SUBJECTS: Final = (
    b"apple",
    b"Re: apple",
    b"RE: re:  apple",
    b"Fwd: apple",
    b"[list] apple (fwd)",
    b"[list] Re: [list] pear",
    b"pear",
    b"Re[2]: Pear",
    b"[fwd: plum]",
    b"plum",
    b"",
    b"Re:",
    b"=?utf-8?Q?Stra=C3=9Fe?=",
    b"=?iso-8859-1?Q?na=EFve?=",
    b"Re: =?utf-8?B?0LTQsNC90L3Ri9C1?=",
    b"quince\r\n folded",
    b"a  b",
)
PEOPLE: Final = (
    b"Ann <ann@example.org>",
    b"bob@example.net",
    b'"Carl C." <carl@example.com>',
    b"=?utf-8?Q?D=C3=B6rte?= <doerte@example.org>",
    b"zoe@Example.org (Zoe)",
    b"Friends: ann@example.org, Eve <eve@example.com>;",
    b"undisclosed-recipients:;",
)
DATES: Final = (
    b"Mon, 2 Feb 2026 10:00:00 +0100",
    b"Mon, 2 Feb 2026 10:00:00 -0800",
    b"Tue, 3 Feb 2026 00:30:00 +0200",
    b"Thu, 1 Jan 2026 23:59:59 +0000",
    b"31 Dec 2025 12:00:00 GMT",
)
INTERNAL: Final = (
    b" 2-Feb-2026 10:00:00 +0000",
    b"03-Feb-2026 00:00:00 +0000",
    b"02-Feb-2026 23:59:59 +0000",
    b"01-Jan-2020 12:30:00 +0000",
    b"01-Jan-2026 01:00:00 +0200",
)
FLAGS: Final = (b"\\Seen", b"\\Flagged", b"\\Answered", b"\\Deleted", b"\\Draft", b"$Label", b"work")
IDS: Final = tuple(b"<%d@example.org>" % number for number in range(5))


@st.composite
def messages(draw: st.DrawFn) -> bytes:
    """A well-formed message."""
    lines = [
        b"From: " + draw(st.sampled_from(PEOPLE)),
        b"Subject: " + draw(st.sampled_from(SUBJECTS)),
        b"Date: " + draw(st.sampled_from(DATES)),
    ]
    for name in (b"To", b"Cc"):
        if draw(st.booleans()):
            lines.append(name + b": " + draw(st.sampled_from(PEOPLE)))
    if draw(st.booleans()):
        lines.append(b"Message-ID: " + draw(st.sampled_from(IDS)))
    if draw(st.booleans()):
        lines.append(
            b"References: " + b" ".join(draw(st.lists(st.sampled_from(IDS), min_size=1, max_size=3)))
        )
    elif draw(st.booleans()):
        lines.append(b"In-Reply-To: " + draw(st.sampled_from(IDS)))
    text = " ".join(draw(st.lists(st.sampled_from(WORDS), max_size=4)))
    return b"\r\n".join(lines) + b"\r\n" + draw(st.sampled_from(_BODIES))(text)


def _plain(text: str) -> bytes:
    return b"\r\n" + text.encode("ascii", "ignore") + b"\r\n"


def _base64(text: str) -> bytes:
    head = b"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
    head += b"Content-Transfer-Encoding: base64\r\n\r\n"
    return head + b64encode(text.encode()) + b"\r\n"


def _eight_bit(text: str) -> bytes:
    head = b"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=UTF-8\r\n"
    head += b"Content-Transfer-Encoding: 8bit\r\n\r\n"
    return head + text.encode() + b"\r\n"


def _alternatives(text: str) -> bytes:
    return (
        b"MIME-Version: 1.0\r\nContent-Type: multipart/alternative; boundary=b1\r\n\r\npreamble\r\n--b1\r\n"
        b"Content-Type: text/plain; charset=utf-8\r\n\r\n%b\r\n--b1\r\n"
        b"Content-Type: text/html; charset=utf-8\r\n\r\n<p>%b</p>\r\n--b1--\r\nepilogue\r\n"
    ) % (text.encode(), text.encode())


def _attached(text: str) -> bytes:
    return (
        b'MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary="b 2"\r\n\r\n'
        b"--b 2\r\n\r\n%b\r\n--b 2\r\n"
        b"Content-Type: message/rfc822\r\nContent-Disposition: attachment; filename=x.eml\r\n\r\n"
        b"From: inner@example.org\r\nSubject: inner\r\n\r\ninside\r\n--b 2--\r\n"
    ) % text.encode("ascii", "ignore")


_BODIES: Final = (_plain, _base64, _eight_bit, _alternatives, _attached)


def literal(octets: bytes) -> bytes:
    """As a command holds it."""
    return b"{%d+}\r\n%b" % (len(octets), octets)


flag_lists = st.lists(st.sampled_from(FLAGS), unique=True, max_size=3).map(
    lambda flags: b"(%b)" % b" ".join(flags)
)


@st.composite
def appended(draw: st.DrawFn, corpus: tuple[bytes, ...] = ()) -> bytes:
    """APPEND's arguments behind the mailbox. corpus: messages that may come instead of a generated one."""
    message = draw(st.one_of(messages(), st.sampled_from(corpus)) if corpus else messages())
    return b'%b "%b" %b' % (draw(flag_lists), draw(st.sampled_from(INTERNAL)), literal(message))
