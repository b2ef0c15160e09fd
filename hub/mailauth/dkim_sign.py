"""Signing a message: the DKIM-Signature to put above it (RFC 6376 §5)."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Sequence
from typing import Final

from hub.mail.headers import Headers
from hub.mail.message import Message
from hub.mailauth.canonical import BodyHash, Form
from hub.mailauth.dkim_signature import header_data
from hub.mailauth.dkim_tags import fold
from hub.mailauth.keys import SigningKey

OVERSIGNED: Final = (
    "From", "To", "Cc", "Subject", "Date", "Reply-To", "Message-ID",
    "MIME-Version", "Content-Type", "Content-Transfer-Encoding",
)  # fmt: skip
"""Signed once more than they are there, so that nobody can add one (RFC 6376 §8.15)."""
SIGNED: Final = (
    "Sender", "In-Reply-To", "References", "Content-Description", "Content-Disposition", "Content-ID",
    "Resent-Date", "Resent-From", "Resent-To", "Resent-Cc", "Resent-Sender", "Resent-Message-ID",
    "List-Id", "List-Help", "List-Unsubscribe", "List-Unsubscribe-Post", "List-Subscribe", "List-Post",
    "List-Owner", "List-Archive", "Autocrypt",
)  # fmt: skip
"""Signed as often as they are there (RFC 6376 §5.4.1)."""


def sign_dkim(
    message: Message,
    key: SigningKey,
    domain: str,
    selector: str,
    now: float,
    body: BodyHash,
    *,
    form: Form = "relaxed",
    body_form: Form = "relaxed",
    identity: str = "",
    lifetime: float | None = None,
) -> str:
    """The header lines of one signature, with their CRLFs, to be put on top: `message.under(lines)`.

    now: seconds since the epoch. body: of `await hash_body(message)`, which several signatures may share; in
    another form if `body_form` says so. identity: `i=`; empty leaves it out. lifetime: seconds after which
    it does not count any more. ValueError for a message without From. It takes the time of one signature of
    the key, so call it on the loop or in a thread.

        >>> from hub import Message, hash_body, new_signing_key, sign_dkim
        >>> import asyncio
        >>> message = Message(b"From: a@example.org\\r\\n\\r\\n", b"Hello\\r\\n")
        >>> [body] = asyncio.run(hash_body(message))
        >>> print(sign_dkim(message, new_signing_key("ed25519"), "example.org", "s1", 0.0, body)[:57])
        DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;
    """
    names = signed_names(message.headers)
    if "From" not in message.headers:
        raise ValueError("a message without From cannot be signed")
    tags = [
        "v=1",
        f"a={key.algorithm}",
        f"c={form}/{body_form}",
        f"d={domain}",
        f"s={selector}",
        f"t={now:.0f}",
        *([f"x={now + lifetime:.0f}"] if lifetime is not None else []),
        *([f"i={identity}"] if identity else []),
    ]
    return signed_field(message.headers, "DKIM-Signature", key, tags, names, body, form)


def signed_names(headers: Headers) -> Sequence[str]:
    """What `h=` names for this message."""
    there = Counter(name.lower() for name in headers.names())
    names: list[str] = []
    for name in (*OVERSIGNED, *SIGNED):
        names += [name] * (there[name.lower()] + (name in OVERSIGNED))
    return names


def signed_field(
    headers: Headers,
    name: str,
    key: SigningKey,
    tags: Sequence[str],
    names: Sequence[str],
    body: BodyHash,
    form: Form,
) -> str:
    """A field of these tags, with `h=`, `bh=` and the signature over them."""
    listed = " :".join(names)  # blanks, so that the list can be folded
    hashed = base64.b64encode(body.digest).decode()
    text = fold(f"{name}: {'; '.join(tags)}; h={listed}; bh={hashed};") + "\r\n\tb="
    data = header_data(headers, [each.lower() for each in names], form, text.encode())
    return f"{text}{folded_base64(key.sign(data))}\r\n"


def folded_base64(data: bytes, width: int = 72) -> str:
    """Octets as the end of a field, on as many lines as they need."""
    text = base64.b64encode(data).decode()
    return "\r\n\t".join(text[at : at + width] for at in range(0, len(text), width))
