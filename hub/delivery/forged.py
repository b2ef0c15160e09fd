"""Whether a report may go to a reverse-path: nobody is to get reports on mail that somebody else has sent.

Mail that an account handed in has a sender who may use that address. Of mail from elsewhere the
Authentication-Results speak that a plugin has written: those above the hub's own Received, where nobody else
can have put any. A pass of SPF or DMARC shows that the sender is who
it says; a fail of either, or of the client's names in DNS (iprev), says that it is not. Where nothing is said
the report goes out, as it always did (RFC 3834 §2, RFC 5321 §6.2).
"""

from __future__ import annotations

import re
from typing import Final

from hub.mail.headers import Headers

_ASIDE: Final = re.compile(r'\([^()]*+\)|"[^"]*+"')
_RESULT: Final = re.compile(r"\s*+([a-z-]++)\s*+=\s*+([a-z]++)", re.IGNORECASE)
_BAD: Final = frozenset(("spf=fail", "spf=softfail", "dmarc=fail", "iprev=fail"))
_GOOD: Final = frozenset(("spf=pass", "dmarc=pass"))


def seems_forged(head: bytes) -> bool:
    """Whether what the hub wrote above a message says that its reverse-path is not its sender's."""
    found = own_results(head)
    return bool(found & _BAD) and not found & _GOOD


def own_results(head: bytes) -> frozenset[str]:
    """`method=result` of the hub's own fields (RFC 8601 §2.2), in lower case."""
    found: set[str] = set()
    for name, value in Headers(head):
        if name.lower() == b"received":
            break
        if name.lower() == b"authentication-results":
            _, *results = _ASIDE.sub("", value.decode("utf-8", "replace")).split(";")
            matches = (_RESULT.match(each) for each in results)
            found |= {f"{each[1]}={each[2]}".lower() for each in matches if each}
    return frozenset(found)
