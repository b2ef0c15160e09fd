"""What this server can do, as it stands in CAPABILITY: each one only where it works now."""

from __future__ import annotations

from typing import Final

from hub.imap.added import added_capabilities
from hub.imap.session import ImapSession
from hub.sasl.mechanisms import mechanisms

BASE: Final = b"IMAP4rev1 IMAP4rev2 SASL-IR ID"
MAIL: Final = b" ".join(
    [
        b"ACL",
        b"BINARY",
        b"CATENATE",
        b"CHILDREN",
        b"CONDSTORE",
        b"CONTEXT=SEARCH",
        b"CONTEXT=SORT",
        b"CREATE-SPECIAL-USE",
        b"ENABLE",
        b"ESEARCH",
        b"ESORT",
        b"I18NLEVEL=1",
        b"IDLE",
        b"INPROGRESS",
        b"LIST-EXTENDED",
        b"LIST-METADATA",
        b"LIST-MYRIGHTS",
        b"LIST-STATUS",
        b"METADATA",
        b"MOVE",
        b"MULTIAPPEND",
        b"MULTISEARCH",
        b"NAMESPACE",
        b"NOTIFY",
        b"OBJECTID",
        b"PARTIAL",
        b"PREVIEW",
        b"QRESYNC",
        b"QUOTA",
        b"QUOTA=RES-MESSAGE",
        b"QUOTA=RES-STORAGE",
        b"QUOTASET",
        b"REPLACE",
        b"RIGHTS=texk",
        b"SAVEDATE",
        b"SEARCH=FUZZY",
        b"SEARCHRES",
        b"SORT",
        b"SORT=DISPLAY",
        b"SPECIAL-USE",
        b"STATUS=SIZE",
        b"THREAD=ORDEREDSUBJECT",
        b"THREAD=REFERENCES",
        b"UIDONLY",
        b"UIDPLUS",
        b"UNSELECT",
        b"UTF8=ACCEPT",
        b"WITHIN",
    ]
)


def capabilities(session: ImapSession) -> bytes:
    """The words behind CAPABILITY for this connection as it stands."""
    words = [BASE, b"APPENDLIMIT=%d" % session.kernel.settings.imap.max_literal]
    if session.identity is not None:
        if not session.out.deflates:
            words.append(b"COMPRESS=DEFLATE")
        return b" ".join([*words, b"LITERAL+", MAIL, b"UNAUTHENTICATE", *added_capabilities(session)])
    words.append(b"LITERAL-")  # never both (RFC 7888 §5): large ones are for those who have logged in
    if can_start_tls(session):
        words.append(b"STARTTLS")
    if not session.plain_login_allowed:
        words.append(b"LOGINDISABLED")
    words += [b"AUTH=" + name.encode("ascii") for name in mechanisms(session.kernel, session)]
    return b" ".join([*words, MAIL, *added_capabilities(session)])


def can_start_tls(session: ImapSession) -> bool:
    """Whether STARTTLS works now."""
    return session.starttls_offered and session.tls is None
