"""How soon a message for elsewhere should go: what people write before what machines do, bulk last."""

from __future__ import annotations

from typing import Final

from hub.mail.address import Address
from hub.mail.headers import Headers
from hub.services.queue import AUTOMATIC, BULK, PERSONAL

MANY: Final = 50
"""Recipients elsewhere from which on a message is bulk, whatever it says of itself."""
_BULK: Final = ("bulk", "list", "junk")


def priority_of(head: bytes, reverse_path: Address | None, recipients: int) -> int:
    """Of a message with that header block (RFC 2076 §3.9, RFC 3834 §5, RFC 2369)."""
    headers = Headers(head)
    said = (headers.get("Precedence") or "").strip().lower()
    if said in _BULK or "List-Id" in headers or "List-Unsubscribe" in headers or recipients >= MANY:
        return BULK
    submitted = (headers.get("Auto-Submitted") or "no").partition(";")[0].strip().lower()
    return AUTOMATIC if submitted != "no" or reverse_path is None else PERSONAL
