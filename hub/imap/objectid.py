"""Identifiers that outlive names (RFC 8474)."""

from __future__ import annotations

from hub.services.storage import Mailbox


def mailbox_id(mailbox: Mailbox) -> bytes:
    """MAILBOXID without its parentheses: the same under whatever name, and never another mailbox's."""
    return b"F%d" % mailbox.id
