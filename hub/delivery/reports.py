"""Reports to senders about what became of their mail (RFC 3461, 3464, 6522, 6533), as whole messages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from hub.delivery.headers import date
from hub.mail.address import Address
from hub.mail.dsn import Ret

MOST_RETURNED: Final = 64 * 1024
"""Octets of a message that a report returns; of a larger one it returns the header."""

Kind: TypeAlias = Literal["failed", "delayed", "delivered", "relayed", "expanded"]
"""The action of RFC 3464 §2.3.3."""

_SUBJECTS: Final = {
    "failed": "Your mail could not be delivered",
    "delayed": "Your mail is delayed",
    "delivered": "Your mail was delivered",
    "relayed": "Your mail was passed on",
    "expanded": "Your mail was passed on to several",
}
_WORDS: Final = {
    "failed": "Your mail could not be delivered to the addresses below. It will not be tried again.",
    "delayed": "Your mail is delayed for the addresses below. You need do nothing: it is tried again.",
    "delivered": "Your mail was delivered to the addresses below.",
    "relayed": "Your mail was passed on for the addresses below to a server that sends no reports.",
    "expanded": "The addresses below lead to several others, to which your mail was passed on.",
}


@dataclass(frozen=True, slots=True)
class Told:
    """What is said about one recipient. status: its code of RFC 3463; words: what there is to say.

    original: the recipient as the sender first wrote it, `addr-type;address`. host: the server that said the
    words, empty if that is ourselves. code: its basic code. tried_at, retry_until: seconds since the epoch,
    where mail was sent on.
    """

    recipient: Address
    original: str | None
    status: str
    words: str
    host: str = ""
    code: int = 0
    tried_at: float | None = None
    retry_until: float | None = None


@dataclass(frozen=True, slots=True)
class About:
    """The message that a report is about, and whom it goes to.

    to: its reverse-path. arrived: seconds since the epoch. head, body: what is returned of it, body None for
    the header alone. notice: the report is for the postmaster, who has not sent the mail: what to say.
    """

    to: Address
    arrived: float
    head: bytes
    body: bytes | None = None
    envid: str | None = None
    notice: str = ""


def returns_all(kind: Kind, ret: Ret | None, size: int) -> bool:
    """Whether a report returns the whole message: only of a failure, as asked (RFC 3461 §4.3)."""
    return kind == "failed" and ret == "FULL" and size <= MOST_RETURNED


def report(
    kind: Kind, about: About, told: Sequence[Told], hostname: str, identity: str, now: float
) -> tuple[bytes, bytes]:
    """The report's header block and its body. told: at least one; identity: the report's own id."""
    utf8 = _needs_utf8(about, told)
    boundary = f"report-{identity}"
    head = [
        f"Date: {date(now)}",
        f"From: Mail delivery system <MAILER-DAEMON@{hostname}>",
        f"To: <{about.to}>" if about.to.domain else f"To: <{about.to}@{hostname}>",
        f"Subject: {about.notice.partition(':')[0] or _SUBJECTS[kind]}",
        f"Message-ID: <{identity}@{hostname}>",
        "Auto-Submitted: auto-replied",
        *([NOTICE] if about.notice else []),
        "MIME-Version: 1.0",
        f'Content-Type: multipart/report; report-type=delivery-status; boundary="{boundary}"',
        "",
        "",
    ]
    text = "\r\n".join(_human(kind, about, told, hostname))
    status = "\r\n".join(_status(kind, about, told, hostname, utf8))
    status_type = "message/global-delivery-status" if utf8 else "message/delivery-status"
    charset = "us-ascii" if text.isascii() else "utf-8"
    parts = [
        f"Content-Type: text/plain; charset={charset}\r\n{_eight_bit(text)}\r\n{text}".encode(),
        f"Content-Type: {status_type}\r\n{_eight_bit(status)}\r\n{status}".encode(),
        _returned(about, utf8),
    ]
    marked = b"".join(f"--{boundary}\r\n".encode() + part + b"\r\n" for part in parts)
    return "\r\n".join(head).encode(), marked + f"--{boundary}--\r\n".encode()


NOTICE: Final = "X-Hub-Notice: postmaster"
"""A line that no mail has that came from elsewhere: of a report to the postmaster nobody is told again."""


def is_notice(head: bytes) -> bool:
    """Whether a message is a report to the postmaster."""
    return f"\r\n{NOTICE}\r\n".encode() in head


def _needs_utf8(about: About, told: Sequence[Told]) -> bool:
    """RFC 6533 §2: an address, or the header that is returned, is internationalised."""
    named = all(
        each.recipient.local.isascii() and each.recipient.domain.isascii() and (each.original or "").isascii()
        for each in told
    )
    return not (named and about.to.local.isascii() and about.head.isascii())


def _human(kind: Kind, about: About, told: Sequence[Told], hostname: str) -> list[str]:
    lines = [f"This is the mail server {hostname}.", "", about.notice or _WORDS[kind], ""]
    for each in told:
        said = f"{each.host} said: " if each.host else ""
        lines += [f"<{each.recipient}>", f"    {said}{_coded(each)}", ""]
    return lines


def _status(kind: Kind, about: About, told: Sequence[Told], hostname: str, utf8: bool) -> list[str]:
    """RFC 3464 §2.2 and §2.3: fields of the message, then of each recipient."""
    lines = [f"Original-Envelope-Id: {_line(about.envid)}"] if about.envid else []
    lines += [f"Reporting-MTA: dns; {hostname}", f"Arrival-Date: {date(about.arrived)}"]
    for each in told:
        lines.append("")
        if each.original:
            kind_of, _, address = each.original.partition(";")
            lines.append(f"Original-Recipient: {kind_of};{_line(address)}")
        kind_of = "rfc822" if str(each.recipient).isascii() else "utf-8"
        lines += [
            f"Final-Recipient: {kind_of}; {each.recipient}",
            f"Action: {kind}",
            f"Status: {each.status}",
        ]
        lines += [f"Remote-MTA: dns; {each.host}"] if each.host else []
        if kind in ("failed", "delayed"):
            said = _line(_coded(each))
            shown = said if utf8 else said.encode("ascii", "replace").decode()
            lines.append(f"Diagnostic-Code: {'smtp' if each.host else 'x-hub'}; {shown}")
        if each.tried_at is not None:
            lines.append(f"Last-Attempt-Date: {date(each.tried_at)}")
        if kind == "delayed" and each.retry_until is not None:
            lines.append(f"Will-Retry-Until: {date(each.retry_until)}")
    return [*lines, ""]


def _coded(told: Told) -> str:
    return f"{told.code} {told.status} {told.words}" if told.code else told.words


def _line(text: str) -> str:
    """As one line: what was decoded from xtext may hold anything."""
    return "".join(each if each.isprintable() else "?" for each in text)


def _returned(about: About, utf8: bool) -> bytes:
    if about.body is None:
        kind, content = ("message/global-headers" if utf8 else "text/rfc822-headers"), about.head
    else:
        kind, content = ("message/global" if utf8 else "message/rfc822"), about.head + about.body
    encoding = "" if content.isascii() else "Content-Transfer-Encoding: 8bit\r\n"
    return f"Content-Type: {kind}\r\n{encoding}\r\n".encode() + content


def _eight_bit(text: str) -> str:
    return "" if text.isascii() else "Content-Transfer-Encoding: 8bit\r\n"
