"""What a client has enabled (RFC 5161): from then on responses may look otherwise."""

from __future__ import annotations

import enum


class Enabled(enum.Enum):
    """The value is the word behind ENABLE."""

    CONDSTORE = b"CONDSTORE"  # RFC 7162: FETCH responses to STORE and of changes carry MODSEQ
    QRESYNC = b"QRESYNC"  # RFC 7162: VANISHED in place of EXPUNGE; implies CONDSTORE
    IMAP4REV2 = b"IMAP4REV2"  # RFC 9051: ESEARCH in place of SEARCH, no RECENT, names in UTF-8
    UTF8 = b"UTF8=ACCEPT"  # RFC 6855: quoted strings and names in UTF-8
    METADATA = b"METADATA"  # RFC 5464: told which entries others have changed
    UIDONLY = b"UIDONLY"  # RFC 9586: no sequence numbers at all
