"""What the tests of signatures share: keys, where DNS publishes them, and messages of their octets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache

from hub import Message, SigningKey, hash_body, new_signing_key, sign_dkim
from hub.mail.headers import split_head
from hub.mailauth.canonical import Form
from hub.mailauth.keys import Kind
from hub.testing.zones import Zones

NOW = 1_700_000_000.0
DOMAIN = "example.org"
PLAIN = (
    b"From: Alice <alice@example.org>\r\nTo: bob@example.net\r\nSubject: Dinner\r\n"
    b"Date: Fri, 15 Jan 2027 08:00:00 +0000\r\nMessage-ID: <1@example.org>\r\n\r\nAt eight?\r\n"
)
ODD = (
    b"from:\tAlice   <alice@example.org>\r\nTO: a@example.net,\r\n\t b@example.net \t\r\n"
    b"Subject:\r\n =?utf-8?q?caf=C3=A9?=\t caf\xc3\xa9 \r\nDate: Fri, 15 Jan 2027 08:00:00 +0000\r\n"
    b"X-Twice: 1\r\nX-Twice: 2\r\nMessage-ID:<2@example.org>\r\n\r\n"
    b" \t\r\nCaf\xc3\xa9  with\ttabs \t \r\n.dot\r\n\r\nmore \r\n\r\n \r\n\r\n"
)
EMPTY = PLAIN.replace(b"At eight?\r\n", b"")
BLANK = PLAIN.replace(b"At eight?\r\n", b"\r\n\r\n\r\n")


@cache
def keys() -> Mapping[Kind, SigningKey]:
    return {"rsa": new_signing_key("rsa"), "ed25519": new_signing_key("ed25519")}


def key(kind: Kind = "rsa") -> SigningKey:
    return keys()[kind]


def txt(text: str) -> str:
    """A TXT record of any length."""
    return "TXT " + " ".join(f'"{text[at : at + 200]}"' for at in range(0, len(text), 200))


def zones(records: Mapping[str, Sequence[str]] | None = None) -> Zones:
    """The selectors `rsa` and `ed25519` of the domain, and what else is given."""
    return Zones(
        {
            f"rsa._domainkey.{DOMAIN}": [txt(key("rsa").record)],
            f"ed25519._domainkey.{DOMAIN}": [txt(key("ed25519").record)],
            **(records or {}),
        }
    )


def message_of(raw: bytes) -> Message:
    at = split_head(raw)
    return Message(raw[:at], raw[at:])


async def signed(
    raw: bytes, kind: Kind = "rsa", *, form: Form = "relaxed", body_form: Form = "relaxed", **options: object
) -> bytes:
    """The message with a signature of ours on top."""
    message = message_of(raw)
    [body] = await hash_body(message, [(body_form, None)])
    lines = sign_dkim(message, key(kind), DOMAIN, kind, NOW, body, form=form, body_form=body_form, **options)  # type: ignore[arg-type]
    return lines.encode() + raw
