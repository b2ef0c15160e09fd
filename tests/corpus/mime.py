"""Messages whose parts are odd: nested, cut off, mislabelled, empty, or with boundaries that are none."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

_HEAD: Final = b"From: ann@example.org\r\nTo: bob@example.net\r\nSubject: parts\r\nMIME-Version: 1.0\r\n"


def _lines(text: str) -> bytes:
    """With CRLF, as everything here unless a message says otherwise."""
    return text.encode().replace(b"\n", b"\r\n")


def _mixed(body: str, parameters: str = "; boundary=b", subtype: str = "mixed") -> bytes:
    return _HEAD + _lines(f"Content-Type: multipart/{subtype}{parameters}\n\n{body}")


def _single(fields: str, body: str = "words\n") -> bytes:
    return _HEAD + _lines(f"{fields}\n\n{body}")


def nested(depth: int) -> bytes:
    """Multiparts within each other, with one part of text in the innermost."""
    text = "innermost\n"
    for level in range(depth, 0, -1):
        kind = f"Content-Type: multipart/mixed; boundary=b{level}\n\n"
        text = f"{kind}--b{level}\n{text if level < depth else chr(10) + text}\n--b{level}--\n"
    return _HEAD + _lines(text)


def carried(depth: int) -> bytes:
    """Messages within each other."""
    text = "Subject: innermost\n\nwords\n"
    for level in range(depth, 0, -1):
        text = f"Subject: level {level}\nContent-Type: message/rfc822\n\n{text}"
    return _HEAD + _lines("Content-Type: message/rfc822\n\n" + text)


_DIGEST = """--b

Subject: first
From: a@example.org

one
--b
Content-Type: text/plain

two
--b--
"""

_SIGNED = """--b
Content-Type: text/plain; charset=us-ascii

signed
--b
Content-Type: application/pgp-signature; name="signature.asc"
Content-Description: OpenPGP digital signature
Content-Disposition: attachment; filename="signature.asc"

-----BEGIN PGP SIGNATURE-----
abcd
-----END PGP SIGNATURE-----
--b--
"""

_REPORT = """--b

It was not delivered.
--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mail.example.org

Final-Recipient: rfc822; bob@example.net
Action: failed
--b
Content-Type: message/rfc822

From: ann@example.org
Subject: lost

words
--b--
"""

_RELATED = """--b
Content-Type: text/html; charset=utf-8
Content-ID: <root@example.org>
Content-Location: http://example.org/a.html
Content-Language: de, en

<img src="cid:picture">
--b
Content-Type: image/png
Content-Transfer-Encoding: base64
Content-ID: <picture@example.org>
Content-Disposition: inline; filename=a.png
Content-MD5: Q2hlY2sgSW50ZWdyaXR5IQ==

iVBORw0KGgo=
--b--
"""

MIME: Final[Mapping[str, bytes]] = MappingProxyType(
    {
        "two parts": _mixed(
            "preamble\n--b\n\none\n--b\nContent-Type: text/html\n\n<b>two</b>\n--b--\nepilogue\n"
        ),
        "no preamble": _mixed("--b\n\none\n--b--\n"),
        "no last boundary": _mixed("--b\n\none\n--b\n\ntwo\n"),
        "no boundary at all": _mixed("--b is not here\nwords\n"),
        "no boundary parameter": _mixed("--b\n\none\n--b--\n", ""),
        "empty boundary parameter": _mixed("--\n\none\n----\n", '; boundary=""'),
        "boundary in quotes with blanks": _mixed("--b c\n\none\n--b c--\n", '; boundary="b c"'),
        "boundary with blanks behind it": _mixed("--b  \t\n\none\n--b--  \n"),
        "boundary that begins another": _mixed("--bb\n\nno\n--b\n\none\n--b--\n"),
        "boundary of seventy": _mixed(f"--{'x' * 70}\n\none\n--{'x' * 70}--\n", f"; boundary={'x' * 70}"),
        "boundary of two hundred": _mixed(
            f"--{'x' * 200}\n\none\n--{'x' * 200}--\n", f"; boundary={'x' * 200}"
        ),
        "boundary twice": _mixed("--b\n\none\n--b--\n", "; boundary=b; boundary=c"),
        "boundary in capitals": _mixed("--B\n\nno\n--b\n\none\n--b--\n"),
        "boundary that ends in hyphens": _mixed("--b--\n\none\n--b----\n", "; boundary=b--"),
        "boundary with a comment": _mixed("--b\n\none\n--b--\n", "; (comment) boundary=b"),
        "parts behind the last boundary": _mixed("--b\n\none\n--b--\n--b\n\ntwo\n--b--\n"),
        "empty part": _mixed("--b\n\n--b\n\n\n--b--\n"),
        "part without a blank line": _mixed("--b\nContent-Type: text/html\n--b\n\ntwo\n--b--\n"),
        "part without a header": _mixed("--b\n\none\n\n--b--\n"),
        "part whose header is no header": _mixed("--b\nnothing like a field\n\none\n--b--\n"),
        "no parts": _mixed("--b--\n"),
        "only a preamble": _mixed("only words\n"),
        "nothing behind the header": _mixed(""),
        "alternative": _mixed(
            "--b\n\none\n--b\nContent-Type: text/html\n\n<i>one</i>\n--b--\n", subtype="alternative"
        ),
        "digest": _mixed(_DIGEST, subtype="digest"),
        "signed": _mixed(
            _SIGNED, '; micalg=pgp-sha256; protocol="application/pgp-signature"; boundary="b"', "signed"
        ),
        "report": _mixed(_REPORT, "; report-type=delivery-status; boundary=b", "report"),
        "related": _mixed(_RELATED, '; type="text/html"; start="<root@example.org>"; boundary=b', "related"),
        "unknown multipart": _mixed("--b\n\none\n--b--\n", subtype="x-unheard-of"),
        "outer boundary ends inner": _mixed(
            "--b\nContent-Type: multipart/mixed; boundary=i\n\n--i\n\none\n--b\n\ntwo\n--b--\n"
        ),
        "inner boundary is the outer one": _mixed(
            "--b\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\none\n--b--\n--b\n\ntwo\n--b--\n"
        ),
        "inner boundary begins with the outer one": _mixed(
            "--b\nContent-Type: multipart/mixed; boundary=b1\n\n--b1\n\none\n--b1--\n\n--b\n\ntwo\n--b--\n"
        ),
        "nested twice": nested(2),
        "nested ten times": nested(10),
        "nested sixty times": nested(60),
        "nested ninety times": nested(90),
        "a message in it": _mixed(
            "--b\n\nsee this\n--b\nContent-Type: message/rfc822\n\nFrom: eve@example.com\nSubject: inner\n"
            "Date: Mon, 2 Feb 2026 10:00:00 +0100\n\ninside\n--b--\n"
        ),
        "a multipart message in it": _mixed(
            "--b\nContent-Type: message/rfc822\n\nSubject: inner\n"
            "Content-Type: multipart/mixed; boundary=c\n\n"
            "--c\n\nfirst\n--c\nContent-Type: image/png\n\nabc\n--c--\n--b\n\nlast\n--b--\n"
        ),
        "a message that is a message": carried(1),
        "messages in messages": carried(5),
        "a message without a body": _mixed("--b\nContent-Type: message/rfc822\n\nSubject: inner\n--b--\n"),
        "a message of nothing": _mixed("--b\nContent-Type: message/rfc822\n\n--b--\n"),
        "a message in base64": _mixed(
            "--b\nContent-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\n"
            "U3ViamVjdDogeA0KDQp4DQo=\n--b--\n"
        ),
        "message/global": _mixed(
            "--b\nContent-Type: message/global\n\n"
            "From: Jörg <jörg@example.org>\nSubject: Grüße\n\nwörter\n--b--\n"
        ),
        "message/partial": _single('Content-Type: message/partial; id="x@example.org"; number=1; total=3'),
        "message/external-body": _single(
            'Content-Type: message/external-body; access-type=URL;\n URL="ftp://example.org/a"',
            "Content-Type: text/plain\nContent-ID: <a@example.org>\n\n",
        ),
        "type without a subtype": _single("Content-Type: text"),
        "type that is nothing": _single("Content-Type:"),
        "type of blanks": _single("Content-Type:   "),
        "type in capitals": _single("CONTENT-TYPE: TEXT/PLAIN; CHARSET=UTF-8"),
        "type with blanks": _single("Content-Type: text / plain ; charset = utf-8"),
        "type with a comment": _single("Content-Type: text/plain (plain it is); charset=us-ascii (no other)"),
        "type with a slash more": _single("Content-Type: text/plain/html"),
        "type twice": _single("Content-Type: text/html\nContent-Type: text/plain"),
        "type that was never heard of": _single("Content-Type: x-a/x-b; c=d"),
        "type with a semicolon at its end": _single("Content-Type: text/plain; charset=utf-8;"),
        "type with two semicolons": _single("Content-Type: text/plain;; charset=utf-8"),
        "type without a semicolon": _single("Content-Type: text/plain charset=utf-8"),
        "parameter without a value": _single("Content-Type: text/plain; charset; format=flowed"),
        "parameter with an empty value": _single('Content-Type: text/plain; charset=; name=""'),
        "parameter without its last quote": _single(
            'Content-Type: text/plain; name="unfinished; charset=utf-8'
        ),
        "parameter with escapes": _single('Content-Type: text/plain; name="a\\"b\\\\c"'),
        "parameter with special characters": _single("Content-Type: text/plain; name=a/b@c.txt"),
        "parameter over lines": _single("Content-Type: text/plain;\n charset=utf-8;\n\tname=x"),
        "parameter of eight bits": _single('Content-Type: text/plain; name="Grüße.txt"'),
        "parameter of an encoded word": _single(
            'Content-Type: text/plain; name="=?utf-8?Q?Gr=C3=BC=C3=9Fe?="'
        ),
        "parameter in RFC 2231": _single("Content-Type: text/plain; name*=utf-8'de'Gr%C3%BC%C3%9Fe.txt"),
        "parameter in pieces": _single("Content-Type: text/plain; name*0=one; name*1=two"),
        "parameter in encoded pieces": _single(
            "Content-Type: text/plain;\n name*0*=utf-8''%C3%BC;\n name*1=b"
        ),
        "parameter in pieces without the first": _single(
            "Content-Type: text/plain; name*1=two; name*2=three"
        ),
        "parameter in pieces in disorder": _single("Content-Type: text/plain; name*1=two; name*0=one"),
        "parameter in both ways": _single("Content-Type: text/plain; name=plain; name*=utf-8''fancy"),
        "disposition": _single('Content-Disposition: attachment; filename="a b.txt"; size=5'),
        "disposition that is nothing": _single("Content-Disposition: "),
        "disposition in capitals": _single("Content-Disposition: ATTACHMENT; FILENAME=A.TXT"),
        "disposition with RFC 2231": _single(
            "Content-Disposition: attachment; filename*=UTF-8''%e8%a1%a8.txt"
        ),
        "disposition of a parameter alone": _single("Content-Disposition: ; filename=x"),
        "language": _single("Content-Language: de, en-GB,fr"),
        "language alone": _single("Content-Language: de"),
        "language of nothing": _single("Content-Language: "),
        "location": _single("Content-Location: http://example.org/a b"),
        "location over lines": _single("Content-Location: http://example.org/\n  a"),
        "md5": _single("Content-MD5: Q2hlY2sgSW50ZWdyaXR5IQ=="),
        "id and description": _single(
            "Content-ID: <x@example.org>\nContent-Description: a  thing\n of two lines"
        ),
        "id of nothing": _single("Content-ID: \nContent-Description:"),
        "encoding in capitals": _single("Content-Transfer-Encoding: BASE64", "d29yZHM=\n"),
        "encoding with a comment": _single("Content-Transfer-Encoding: 7bit (plain)"),
        "encoding never heard of": _single("Content-Transfer-Encoding: x-rot13"),
        "encoding of nothing": _single("Content-Transfer-Encoding:"),
        "base64 with garbage": _single("Content-Transfer-Encoding: base64", "d29y!!ZHM=\nand more\n"),
        "base64 without padding": _single("Content-Transfer-Encoding: base64", "d29yZHM\n"),
        "quoted-printable with garbage": _single(
            "Content-Transfer-Encoding: quoted-printable", "a=ZZb=\nc =3D d=\n"
        ),
        "quoted-printable with blanks": _single(
            "Content-Transfer-Encoding: quoted-printable", "words  \nmore=20\n"
        ),
        "no MIME-Version": (
            b"Subject: x\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\none\r\n--b--\r\n"
        ),
        "html alone": _single("Content-Type: text/html; charset=windows-1252", "<p>words</p>\n"),
        "image alone": _single(
            "Content-Type: image/png\nContent-Transfer-Encoding: base64", "iVBORw0KGgo=\n"
        ),
        "a hundred parts": _mixed("".join(f"--b\n\npart {number}\n" for number in range(100)) + "--b--\n"),
    }
)
