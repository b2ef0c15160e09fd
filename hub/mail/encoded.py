"""Text out of bytes that name their charset: encoded words (RFC 2047) and labelled bodies; nothing here raises."""

from __future__ import annotations

import binascii
import re
from encodings.aliases import aliases

# `=?charset*language?B or Q?text?=` (RFC 2047 §2, RFC 2231 §5). Blanks inside Q text are against the rules and common.
_WORD = re.compile(rb"=\?([^?\s]++)\?([bBqQ])\?([^?]*+)\?=")
_BLANK = re.compile(rb"[ \t\r\n]*+")
_HEX = re.compile(rb"=([0-9A-Fa-f]{2})")
_NOT_BASE64 = re.compile(rb"[^A-Za-z0-9+/]+")
# What would end a line or act on a terminal; a decoded header is always one line of text.
_CONTROL = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029]")

# Charsets that real mail means when it names a smaller one, and names that Python does not know.
_MEANT = {
    "gb2312": "gb18030",
    "gbk": "gb18030",
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
    "ansi_x3_110_1983": "latin_1",
}
# Only these names are ever looked up: Python remembers every unknown one for ever and searches the disk for it, and
# some codecs are no charsets (base64), take quadratic time (punycode, idna) or warn (unicode_escape).
_CHARSETS = (
    frozenset(aliases)
    | frozenset(aliases.values())
    | frozenset(_MEANT.values())
    | frozenset("koi8_u koi8_t cp720 cp737 cp856 cp875 cp1006 utf_8_sig mac_croatian mac_farsi mac_arabic".split())
) - frozenset(name for name, codec in aliases.items() if codec.endswith("_codec") or codec in {"rot_13", "mbcs"})
_NOT_TEXT = re.compile(r".*_codec|rot_13|mbcs|oem|dbcs|ansi|idna|punycode|undefined|.*unicode_escape")


def decode_charset(data: bytes, charset: str) -> str:
    """Text of `data` in a charset as a message names it; what does not fit becomes U+FFFD.

    An unknown or unfit charset, or none (empty), reads as UTF-8, else as Latin-1.
    """
    name = charset.lower().replace("-", "_").replace(" ", "_").replace(".", "_")
    name = _MEANT.get(name, name)
    if name in _CHARSETS and not _NOT_TEXT.fullmatch(name):
        try:
            return data.decode(name, "replace")
        except (LookupError, ValueError):
            pass  # a codec that this build of Python lacks, or one that has no replacement
    return decode_unlabelled(data)


def decode_unlabelled(data: bytes) -> str:
    """Text of bytes without a charset: UTF-8 (RFC 6532) if they are that, else Latin-1."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def decode_words(value: bytes) -> str:
    """Text of an unfolded header value: encoded words decoded, control characters other than tab made spaces.

    Neighbouring words are joined without the blank between them (RFC 2047 §6.2), before their charset is decoded,
    because many mailers cut a character in two. A word that is malformed stays as it stands.
    """
    text = _words(value) if b"=?" in value else decode_unlabelled(value)
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
    """Octets of base64 that may hold line ends, stray characters, lack padding or be cut off (RFC 2045 §6.8).

    Padding ends a quantum but not the text, so two encodings set end to end both decode.
    """
    try:
        return binascii.a2b_base64(text, strict_mode=True)
    except binascii.Error:
        pass
    return b"".join(_decode_run(run) for run in text.split(b"="))


def _decode_run(run: bytes) -> bytes:
    clean = _NOT_BASE64.sub(b"", run)
    left = len(clean) % 4
    if left == 1:
        clean = clean[:-1]  # six bits are no octet
    return binascii.a2b_base64(clean + b"==" if left in (2, 3) else clean)


def decode_quoted_printable(text: bytes) -> bytes:
    """Octets of quoted-printable text (RFC 2045 §6.7); an `=` that encodes nothing stays."""
    return binascii.a2b_qp(text)
