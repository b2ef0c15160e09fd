"""How a receiver knows that an event is the hub's and of now: the scheme of Standard Webhooks."""

import base64
import binascii
import hmac
from collections.abc import Mapping, Sequence
from typing import Final

from hub import Secret

PREFIX: Final = "whsec_"
_SHORTEST, _LONGEST = 24, 64


def signing_key(secret: Secret) -> bytes:
    """The octets of `whsec_…`. ValueError, without the secret."""
    try:
        key = base64.b64decode(secret.reveal().removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("is not `whsec_` and Base64, as `openssl rand -base64 32` writes it") from None
    if not _SHORTEST <= len(key) <= _LONGEST:
        raise ValueError(f"has {len(key)} octets, and should have {_SHORTEST} to {_LONGEST}")
    return key


def signed(keys: Sequence[bytes], event: str, time: int, body: bytes) -> Mapping[str, str]:
    """The header fields that say which event it is, when this attempt is made, and who says so.

    Signed are id, time and body, with a signature for each of the keys.
    """
    content = b"%b.%d.%b" % (event.encode(), time, body)
    signatures = (base64.b64encode(hmac.digest(key, content, "sha256")).decode() for key in keys)
    return {
        "webhook-id": event,
        "webhook-timestamp": str(time),
        "webhook-signature": " ".join(f"v1,{signature}" for signature in signatures),
    }
