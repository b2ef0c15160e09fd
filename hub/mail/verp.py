"""Reverse-paths that say which recipient they were made for (variable envelope return path).

    mail of list@ours.example to ann@elsewhere.example goes out as
    list+hash=elsewhere.example=ann@ours.example

A report that comes back to such an address is about that recipient, whatever is written in it. It is a
subaddress of the sender's, and so leads to them. The hash is of HMAC-SHA256 and shows that we made it: nobody
can tell us of recipients that we have not written to.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from hub.mail.address import MAX_LOCAL, Address, AddressError

HASH: Final = 6
"""Characters of base32: 30 bits."""
_FORM: Final = re.compile(rf"(.+)\+([A-Z2-7]{{{HASH}}})=([^=]+)=(.+)\Z", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Varied:
    """What such an address was made of."""

    sender: Address
    recipient: Address


def varied(sender: Address, recipient: Address, key: bytes) -> Address | None:
    """The address. None if its local part would have more than 64 octets (RFC 5321 §4.5.3.1.1)."""
    made = _hash(key, sender, recipient)
    local = f"{sender.local}+{made}={recipient.domain}={recipient.local}"
    return Address(local, sender.domain) if len(local.encode()) <= MAX_LOCAL else None


def has_form(address: Address) -> bool:
    """Whether it may be such an address."""
    return _FORM.match(address.local) is not None


def made_of(address: Address, keys: Sequence[bytes]) -> Varied | None:
    """What an address was made of with one of these keys, None if it was not."""
    found = _FORM.match(address.local)
    if found is None:
        return None
    try:
        sender = Address(found[1], address.domain)
        recipient = Address.parse(str(Address(found[4], found[3])))
    except AddressError:
        return None
    shown = found[2].upper().encode("utf-8", "replace")
    if not any(hmac.compare_digest(_hash(key, sender, recipient).encode(), shown) for key in keys):
        return None
    return Varied(sender, recipient)


def _hash(key: bytes, sender: Address, recipient: Address) -> str:
    """Of both in lower case, for servers on the way may change the case."""
    digest = hmac.digest(key, f"{sender} {recipient}".lower().encode(), hashlib.sha256)
    return base64.b32encode(digest).decode()[:HASH]
