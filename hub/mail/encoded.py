"""Text out of octets that name their charset: encoded words (RFC 2047) and bodies; nothing here raises."""

from __future__ import annotations

import binascii
import re
from encodings.aliases import aliases
from types import MappingProxyType

# `=?charset*language?B or Q?text?=` (RFC 2047 §2, RFC 2231 §5). Blanks in Q text are wrong and common.
_WORD = re.compile(rb"=\?([^?\s]++)\?([bBqQ])\?([^?]*+)\?=")
_BLANK = re.compile(rb"[ \t\r\n]*+")
_HEX = re.compile(rb"=([0-9A-Fa-f]{2})")
_UNPADDED = re.compile(rb"[^=]++")
_NOT_BASE64 = re.compile(rb"[^A-Za-z0-9+/]+")
_BLANKS_AT_END = re.compile(rb"(?<![ \t])[ \t]++(?=\r?\n|\Z)")
# What would end a line or act on a terminal; a decoded header is always one line of text.
_CONTROL = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029]")

_PUNCTUATION = re.compile(r"[-.: ]")
# Charsets that real mail means when it names a smaller one, and names that Python does not know.
_MEANT = MappingProxyType(
    {
        "gb2312": "gb18030",
        "gbk": "gb18030",
        "gb_2312_80": "gb18030",
        "x_gbk": "gb18030",
        "ks_c_5601_1987": "cp949",
        "ks_c_5601": "cp949",
        "euc_kr": "cp949",
        "shift_jis": "cp932",
        "x_sjis": "cp932",
        "iso_8859_8_i": "iso8859_8",
        "iso_8859_8_e": "iso8859_8",
        "windows_874": "cp874",
        "unicode_1_1_utf_7": "utf_7",
        "x_mac_roman": "mac_roman",
        "x_euc_jp": "euc_jp",
    }
)
# Codecs that are no charsets, do not exist everywhere, or say less than UTF-8 does.
_UNFIT = re.compile(r".*_codec|rot_13|mbcs|ascii")
_UNLISTED = ("cp720", "cp737", "cp856", "cp874", "cp875", "cp1006", "koi8_t", "koi8_u", "utf_8_sig")
# Only these are ever looked up. Python searches the disk for an unknown name and remembers it for ever; and
# some that it knows take quadratic time (punycode, idna) or warn (unicode_escape).
_CHARSETS = MappingProxyType(
    {
        name: codec
        for name, codec in [
            *((codec, codec) for codec in (*aliases.values(), *_UNLISTED)),
            *aliases.items(),
            *_MEANT.items(),
        ]
        if not _UNFIT.fullmatch(codec)
    }
)


def charset_codec(charset: str) -> str | None:
    """The codec of a charset as a message or a client names it; None if it is unknown or unfit."""
    return _CHARSETS.get(_PUNCTUATION.sub("_", charset.lower()))


def decode_charset(data: bytes, charset: str) -> str:
    """Text of `data` in a charset as a message names it; what does not fit becomes U+FFFD.

    An unknown or unfit charset, or none (empty), reads as UTF-8, else as Latin-1.
    """
    codec = charset_codec(charset)
    if codec:
        try:
            return data.decode(codec, "replace")
        except (LookupError, ValueError):
            pass  # a codec that this Python lacks, or one that cannot replace
    return decode_unlabelled(data)


def decode_unlabelled(data: bytes) -> str:
    """Text of bytes without a charset: UTF-8 (RFC 6532) if they are that, else Latin-1."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def decode_words(value: bytes) -> str:
    """Text of an unfolded header value on one line, with encoded words decoded.

    Neighbouring words are joined without the blank between them (RFC 2047 §6.2), and before their charset is
    decoded, because many mailers cut a character in two. A word that is malformed stays as it stands.
    """
    text = _words(value) if b"=?" in value else decode_unlabelled(value)
    return on_one_line(text)


def on_one_line(text: str) -> str:
    """The text with a space for each control character other than tab, and for each other line separator."""
    return _CONTROL.sub(" ", text)


def _words(value: bytes) -> str:
    out: list[str] = []
    run: list[bytes] = []  # decoded words next to each other that share a charset
    charset = b""
    end = 0
    for match in _WORD.finditer(value):
        gap = _BLANK.match(value, end)
        adjacent = bool(run) and gap is not None and gap.end() == match.start()
        name = match[1].partition(b"*")[0].lower()
        if run and not (adjacent and name == charset):
            out.append(decode_charset(b"".join(run), charset.decode("latin-1")))
            run = []
        if not adjacent:
            out.append(decode_unlabelled(value[end : match.start()]))
        run.append(decode_base64(match[3]) if match[2] in b"bB" else _decode_q(match[3]))
        charset = name
        end = match.end()
    if run:
        out.append(decode_charset(b"".join(run), charset.decode("latin-1")))
    out.append(decode_unlabelled(value[end:]))
    return "".join(out)


def _decode_q(text: bytes) -> bytes:
    return _HEX.sub(_octet, text.replace(b"_", b" "))


def _octet(match: re.Match[bytes]) -> bytes:
    return bytes((int(match[1], 16),))


def decode_base64(text: bytes) -> bytes:
    """Octets of base64 that may hold stray characters, lack padding or be cut off (RFC 2045 §6.8).

    Padding ends a quantum but not the text, so two encodings set end to end both decode.
    """
    return b"".join(_decode_run(run[0]) for run in _UNPADDED.finditer(text))


def _decode_run(run: bytes) -> bytes:
    try:
        return binascii.a2b_base64(run + b"==")
    except binascii.Error:  # one character too many: six bits are no octet
        return binascii.a2b_base64(_NOT_BASE64.sub(b"", run)[:-1])


def decode_quoted_printable(text: bytes) -> bytes:
    """Octets of quoted-printable text (RFC 2045 §6.7); an `=` that encodes nothing stays.

    Blanks at the end of a line were put there on the way, and go.
    """
    return binascii.a2b_qp(_BLANKS_AT_END.sub(b"", text))
