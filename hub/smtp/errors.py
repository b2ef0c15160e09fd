"""What an operator should know about each reply that refuses something."""

from __future__ import annotations

from collections.abc import Iterator
from types import MappingProxyType
from typing import Final

from hub.errors.known import Category, KnownError
from hub.mail.verdict import Defer, Reject
from hub.smtp import replies
from hub.smtp.replies import Reply

_CLIENT: Final = "The client does not speak SMTP as it should; `hub trace` shows what it said."
_USER: Final = "Nothing to do here: whoever runs the client has to change its settings."
_LIMIT: Final = "Raise the limit in [smtp] if such clients are wanted: `hub config explain smtp` lists them."
_TRY: Final = "Nothing to do: the client tries again."
_LOOK: Final = "Look for the line of this session in the log; the client tries again."

_ADVICE: Final = MappingProxyType(
    {
        "NO_EXPANSION UNKNOWN_COMMAND NOT_CRLF NOT_ASCII LINE_TOO_LONG NO_ARGUMENT GREETING_SYNTAX "
        "GREET_FIRST LHLO_FIRST SAY_LHLO TLS_INJECTION AUTH_SYNTAX AUTH_ALREADY AUTH_IN_TRANSACTION "
        "UNKNOWN_MECHANISM AUTH_CANCELLED AUTH_NOT_BASE64 AUTH_TOO_LONG MAIL_SYNTAX RCPT_SYNTAX "
        "NULL_RECIPIENT NESTED_MAIL NEED_MAIL NEED_RCPT NOT_AFTER_BDAT BINARY_NEEDS_BDAT BAD_PARAMETER "
        "BAD_SIZE BAD_BODY BAD_RET BAD_ENVID BAD_NOTIFY BAD_ORCPT UNKNOWN_PARAMETER NEEDS_SMTPUTF8 "
        "BDAT_SYNTAX CHUNK_REFUSED BARE_LINE_END TLS_ALREADY TLS_FOR_REQUIRETLS XCLIENT_SYNTAX "
        "XCLIENT_IN_TRANSACTION": _CLIENT,
        "TOO_MANY_ERRORS TOO_MANY_COMMANDS TOO_MANY_MESSAGES TOO_MANY_SESSIONS TOO_MANY_FROM_ADDRESS "
        "SESSION_TOO_LONG TOO_SLOW IDLE TOO_MANY_RECIPIENTS TOO_LARGE MESSAGE_LINE_TOO_LONG": _LIMIT,
        "DRAINING": _TRY,
        "CONNECT_FAILED INTERNAL": _LOOK,
        "NO_DIRECTORY": "`hub status` says what is wrong with the server that the directory asks; the "
        "client tries again.",
        "NO_TLS": "To offer STARTTLS, name a certificate in [tls] and give the listener `tls = "
        "\"starttls\"`.",
        "NO_AUTH NO_RELAYING": "Users send on a listener of protocol submission or submissions, after login.",
        "AUTH_NEEDS_TLS AUTH_REQUIRED": _USER,
        "AUTH_REFUSED": "Set a new one with `hub account passwd` if it is forgotten; many from one "
        "address are guesses.",
        "AUTH_UNAVAILABLE": "Look in the log for what `authenticate` failed with; the client tries again.",
        "NOT_YOUR_SENDER NOT_YOUR_FROM": "Give the account an alias of that address if it may use it: `hub "
        "alias add`.",
        "NOBODY": "Add the account or the alias if somebody should have this address: `hub account add`, "
        "`hub alias`.",
        "ONLY_REPORTS": "Such an address is made for mail that is passed on (`relay.srs`), and takes reports "
        "alone.",
        "DISABLED": "`hub account set ADDRESS --enable` takes mail for it again.",
        "MAILBOX_FULL": "Raise the account's quota, or have its owner delete mail.",
        "HEAD_TOO_LARGE": "No real mail has such a header block; it is refused so that nobody fills the "
        "memory.",
        "LOOP": "Some address is forwarded back to where it came from: its Received fields show the way.",
        "STORE_FULL": "Free some of the disk of hub.data_dir: accepting stops while 64 MB are left.",
        "NOT_TRUSTED": "Add its network to the listener's trusted networks if this host may deliver here.",
        "XCLIENT_DENIED": "Add its network to those that may use XCLIENT if it is a proxy of yours.",
        "XCLIENT_NOBODY": "The proxy names a login that the directory does not know: look at the proxy's "
        "users.",
        "CHECK_FAILED": "A check failed that defers: `hub status` and the log say which plugin; the client "
        "tries again.",
        "SCORE_TOO_HIGH": "`hub trace` shows who gave which score; `hub config explain checks` has the "
        "thresholds.",
    }
)  # fmt: skip


def known_errors() -> Iterator[KnownError]:
    """An entry for every reply that refuses something."""
    for names, advice in _ADVICE.items():
        for name in names.split():
            yield _entry(name, getattr(replies, name), advice)
    yield KnownError("smtp-bad-sender", Category.PERMANENT, "5.1.7", "…", "", _CLIENT)
    yield KnownError("smtp-bad-recipient", Category.PERMANENT, "5.1.3", "…", "", _CLIENT)
    yield KnownError(
        "smtp-rejected-by-plugin",
        Category.PERMANENT,
        "5.…",
        "…",
        "",
        "`hub trace` shows which plugin said so.",
    )
    yield KnownError(
        "smtp-deferred-by-plugin",
        Category.RECOVERABLE,
        "4.…",
        "…",
        "",
        "`hub trace` shows which plugin said so.",
    )


def _entry(name: str, reply: Reply | Reject | Defer, advice: str) -> KnownError:
    enhanced = reply.enhanced if isinstance(reply, Reply) else reply.code
    category = Category.RECOVERABLE if enhanced.startswith("4") else Category.PERMANENT
    return KnownError(f"smtp-{name.lower().replace('_', '-')}", category, enhanced, reply.text, "", advice)
