"""What an operator should know about each response that refuses something.

IMAP itself has no codes of RFC 3463; those here are what SMTP would say.
"""

from __future__ import annotations

from collections.abc import Iterator
from types import MappingProxyType
from typing import Final

from hub.errors.known import Category, KnownError
from hub.imap import replies
from hub.imap.replies import Reply

_CLIENT: Final = "The client does not speak IMAP as it should; `hub trace` shows the session."
_USER: Final = "Nothing to do here: the user sees the text."
_LIMIT: Final = "Raise the limit if such clients are wanted: `hub config explain imap` lists them."

_ENTRIES: Final = MappingProxyType(
    {
        ("NO_SUCH_MAILBOX TRY_CREATE ALREADY_EXISTS READ_ONLY", "5.2.0"): _USER,
        ("EXPUNGE_ISSUED", "4.2.0"): "Nothing to do: another client expunged them.",
        ("UNREADABLE", "5.3.0"): "See imap-message-unreadable: the log names the blobs.",
        ("WRONG_LOGIN", "5.7.8"): "Many of them from one address are guesses; `hub account passwd` sets a "
        "new password.",
        ("UNAVAILABLE", "4.3.0"): "A plugin or a driver failed: the log says which. The client tries again.",
        ("NEEDS_TLS NEEDS_LOGIN NEEDS_MAILBOX ALREADY_IN UID_REQUIRED", "5.5.1"): _CLIENT,
        ("OVER_QUOTA", "4.2.2"): "Raise the account's quota, or have its owner delete mail.",
        ("NO_FLAG_RIGHT NO_LONGER_SHARED BYE_NO_LONGER_SHARED", "5.7.1"): _USER,
        ("NOT_YOUR_QUOTA", "5.7.1"): "Set it by `hub account set`, or name the user in imap.quota_admins.",
        ("STORE_FULL", "4.3.1"): "Free some of the disk of hub.data_dir: accepting stops while 64 MB are "
        "left.",
        ("SERVER_BUG", "4.3.0"): "See imap-internal: the log has the traceback.",
        ("BYE_BROKEN_DEFLATE BYE_TIMEOUT BYE_TOO_MUCH BYE_TOO_MANY_FAILURES", "4.4.2"): _CLIENT,
        ("BYE_TOO_MANY BYE_TOO_MANY_FROM_ADDRESS", "4.7.0"): _LIMIT,
        ("BYE_SHUTDOWN", "4.3.2"): "Nothing to do: the client connects again.",
    }
)  # fmt: skip


def known_errors() -> Iterator[KnownError]:
    """An entry for every NO, BAD and BYE."""
    for (names, enhanced), advice in _ENTRIES.items():
        for name in names.split():
            reply = getattr(replies, name)
            text = reply.line(b"*") if isinstance(reply, Reply) else reply
            said = text.decode("ascii").removeprefix("* ").strip()
            yield KnownError(
                f"imap-{name.lower().replace('_', '-')}", _category(enhanced), enhanced, said, "", advice
            )
    for name, enhanced, said, advice in (
        ("syntax", "5.5.2", "BAD …", _CLIENT),
        ("too-big", "5.3.4", "NO [TOOBIG] …", "Raise smtp.max_size if such messages are wanted."),
        ("cannot", "5.5.1", "NO [CANNOT] …", _USER),
        ("refused-by-plugin", "5.7.1", "NO …", "A plugin implements imap_command: `hub hooks imap_command`."),
    ):
        yield KnownError(f"imap-{name}", _category(enhanced), enhanced, said, "", advice)


def _category(enhanced: str) -> Category:
    return Category.RECOVERABLE if enhanced.startswith("4") else Category.PERMANENT
