"""The parameters of MAIL and RCPT (RFC 5321 §4.1.1.11), each extension's in its own section."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from hub.mail.dsn import NO_DSN, Dsn, Notify, RecipientDsn, Ret
from hub.mail.envelope import Body
from hub.mail.xtext import decode_utf8_xtext, decode_xtext
from hub.smtp import replies
from hub.smtp.replies import Reply

_BODIES: Final[tuple[Body, ...]] = ("7BIT", "8BITMIME", "BINARYMIME")
_RETS: Final[tuple[Ret, ...]] = ("FULL", "HDRS")
_REPORTS: Final[tuple[Notify, ...]] = ("SUCCESS", "FAILURE", "DELAY")
_ADDRESS_TYPE: Final = re.compile(r"[A-Za-z0-9!#$%&'*/?^_`{|}~-]+")
MAX_ENVID: Final = 100  # RFC 3461 §4.4
MAX_ORCPT: Final = 500  # RFC 3461 §4.2


@dataclass(frozen=True, slots=True)
class MailParameters:
    """What MAIL can say besides the reverse-path."""

    size: int | None = None
    body: Body = "7BIT"
    smtputf8: bool = False
    dsn: Dsn = NO_DSN
    requires_tls: bool = False


NO_PARAMETERS: Final = MailParameters()


def mail_parameters(text: bytes, *, extended: bool) -> MailParameters | Reply:
    """Read what follows the path of MAIL; a reply if it is wrong. extended: the client said EHLO."""
    found = _parameters(text)
    if isinstance(found, Reply):
        return found
    # AUTH= says who vouches for the sender (RFC 4954 §5); nobody's word is taken, which is as if it were <>.
    if not extended or found.keys() - {"SIZE", "BODY", "SMTPUTF8", "AUTH", "RET", "ENVID", "REQUIRETLS"}:
        return replies.UNKNOWN_PARAMETER
    size, body = found.get("SIZE"), found.get("BODY", "7BIT").upper()
    if size is not None and not (size.isascii() and size.isdecimal() and len(size) <= 20):
        return replies.BAD_SIZE
    if body not in _BODIES:
        return replies.BAD_BODY
    if found.get("SMTPUTF8") or found.get("REQUIRETLS"):
        return replies.BAD_PARAMETER
    dsn = _dsn(found) if "RET" in found or "ENVID" in found else NO_DSN
    if isinstance(dsn, Reply):
        return dsn
    return MailParameters(
        None if size is None else int(size),
        _BODIES[_BODIES.index(body)],
        "SMTPUTF8" in found,
        dsn,
        "REQUIRETLS" in found,
    )


def _dsn(found: Mapping[str, str]) -> Dsn | Reply:
    ret, envid = found.get("RET"), found.get("ENVID")
    if ret is not None and ret.upper() not in _RETS:
        return replies.BAD_RET
    if envid is not None:
        try:
            decoded = decode_xtext(envid)
        except ValueError:
            return replies.BAD_ENVID
        if not 0 < len(envid) <= MAX_ENVID or not (decoded.isascii() and decoded.isprintable()):
            return replies.BAD_ENVID
        envid = decoded
    return Dsn(None if ret is None else _RETS[_RETS.index(ret.upper())], envid)


def rcpt_parameters(text: bytes, *, extended: bool) -> RecipientDsn | Reply:
    """Read what follows the path of RCPT: NOTIFY and ORCPT (RFC 3461); a reply if it is wrong."""
    found = _parameters(text)
    if isinstance(found, Reply):
        return found
    if not extended or found.keys() - {"NOTIFY", "ORCPT"}:
        return replies.UNKNOWN_PARAMETER
    notify: tuple[Notify, ...] | None = None
    if "NOTIFY" in found:
        asked = set(found["NOTIFY"].upper().split(","))
        notify = ("NEVER",) if asked == {"NEVER"} else tuple(each for each in _REPORTS if each in asked)
        if asked != set(notify):
            return replies.BAD_NOTIFY
    original = _original(found["ORCPT"]) if "ORCPT" in found else None
    if original == "":
        return replies.BAD_ORCPT
    return RecipientDsn(notify, original)


def _original(value: str) -> str:
    """`addr-type;address`, decoded; empty if it is wrong."""
    kind, _, encoded = value.partition(";")
    try:
        address = decode_utf8_xtext(encoded) if kind.lower() == "utf-8" else decode_xtext(encoded)
    except ValueError:
        return ""
    # It will stand in a header field of the report, so no control character gets through.
    if (
        len(value) > MAX_ORCPT
        or not _ADDRESS_TYPE.fullmatch(kind)
        or not address
        or not address.isprintable()
    ):
        return ""
    return f"{kind};{address}"


def _parameters(text: bytes) -> Mapping[str, str] | Reply:
    """`KEYWORD=value` by keyword in upper case, `KEYWORD` with an empty value (RFC 5321 §4.1.2)."""
    found: dict[str, str] = {}
    for word in text.split():
        name, equals, value = word.partition(b"=")
        key = name.upper().decode("ascii", "replace")
        if not key.replace("-", "").isalnum() or not key.isascii() or key in found or (equals and not value):
            return replies.BAD_PARAMETER
        try:
            found[key] = value.decode()
        except UnicodeDecodeError:
            return replies.BAD_PARAMETER
    return found
